//! A provider whose answer depends on the question alone, and which remembers every question with its key.

use pmflow_providers::scripted::{Asked, Reply, Scripted, ScriptedAnswer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

pub struct Provider {
    server: Scripted,
}

/// How often one question came, and under which keys.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub times: u64,
    pub keys: BTreeSet<String>,
}

impl Provider {
    pub async fn start(latency_ms: Range<u64>) -> Result<Provider, String> {
        let server = Scripted::start().await.map_err(|error| error.to_string())?;
        server.otherwise(move |asked| {
            let text = question(asked).replacen(' ', "-", 1);
            let text = if asked.schema.is_some() { format!("{{\"value\":\"{text}\"}}") } else { text };
            let spread = latency_ms.end - latency_ms.start;
            let latency = Duration::from_millis(latency_ms.start + asked.number.wrapping_mul(7919) % spread);
            Reply::Answer(ScriptedAnswer { text: Some(text), latency, ..ScriptedAnswer::default() })
        });
        Ok(Provider { server })
    }

    pub fn address(&self) -> String {
        self.server.base_url()
    }

    pub fn questions(&self) -> Result<BTreeMap<String, Question>, String> {
        let mut questions: BTreeMap<String, Question> = BTreeMap::new();
        for entry in self.server.journal() {
            if let Some(reason) = entry.refused {
                return Err(format!("the provider refused a request: {reason}"));
            }
            let key = entry.asked.headers.iter().find(|(name, _)| name == "idempotency-key");
            let key = key.map(|(_, key)| key.clone()).ok_or("a request came without its key")?;
            let known = questions.entry(question(&entry.asked)).or_default();
            known.times += 1;
            known.keys.insert(key);
        }
        Ok(questions)
    }
}

/// What was asked, without the marks around what a prompt was given.
fn question(asked: &Asked) -> String {
    let text = asked.messages.last().map_or("", |(_, text)| text.as_str());
    text.replace("<data id=\"1\">", "").replace("</data>", "")
}
