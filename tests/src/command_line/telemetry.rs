//! What a process tells of itself: traces and metrics to a collector, `/metrics`, JSON logs, and no secret in any of them.

use crate::listener::{Received, listen};
use crate::moderation::Provider;
use crate::process::{Folder, said};
use crate::workers::{Daemon, asked, fine, listening};
use pmflow_providers::scripted::Reply;
use serde_json::Value;

const SECRET: &str = "sk-canary-7f3a9c51e2b84d60";

const FLOW: &str = r#"prompt judge(note: text) -> text {
  model:      "openai/gpt-6-luna"
  max_input:  200 tokens
  max_output: 20 tokens
  user:       "Good or bad? {{ note }}"
}

flow sort() {
  on_error: skip

  for note in ["CONTENT-OF-A-ROW", "refused"] key note {
    let mood = judge(note)
    output mood
  }
}
"#;

/// One note is answered by a model that calls itself by the key, the other refused with the key in the reason.
fn leaky() -> Provider {
    Provider::saying(|asked| {
        let is_refused = asked.messages.iter().any(|(_, text)| text.contains("refused"));
        if is_refused {
            return Reply::status(401, format!(r#"{{"error":{{"message":"the key {SECRET} is wrong"}}}}"#));
        }
        let answer = serde_json::json!({
            "id": "resp_1", "object": "response", "status": "completed", "model": SECRET,
            "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "fine"}]}],
            "usage": {"input_tokens": 31, "output_tokens": 2, "total_tokens": 33},
        });
        Reply::raw(answer.to_string())
    })
}

fn project() -> Folder {
    let folder = Folder::new();
    folder.write("sort.pmflow", FLOW);
    folder
}

#[test]
fn a_collector_receives_spans_and_metrics_under_their_conventional_names() {
    let (provider, folder, (address, told)) = (leaky(), project(), listen(|_| "200 OK"));
    let mut command = provider.command(&folder, &["run", "sort.pmflow", "--yes", "--log-format", "json"]);
    command.env("OPENAI_API_KEY", SECRET).env("OTEL_EXPORTER_OTLP_ENDPOINT", &address).env("PMFLOW_LOG", "debug");
    let run = said(command.output().expect("pmflow can be started"));
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    // Bytes that may be no text.
    let read = |request: Received| (request.path, String::from_utf8_lossy(&request.body).into_owned());
    let told: Vec<(String, String)> = told.try_iter().map(read).collect();
    let of = |path: &str| -> String { told.iter().filter(|(of, _)| of == path).map(|(_, body)| body.as_str()).collect() };
    let (traces, metrics) = (of("/v1/traces"), of("/v1/metrics"));
    for name in [
        "chat gpt-6-luna",
        "invoke_workflow sort",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.request.max_tokens",
        "gen_ai.response.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "error.type",
        "permission",
        "service.name",
    ] {
        assert!(traces.contains(name), "`{name}` is in no span: {traces}");
    }
    for name in
        ["gen_ai.client.token.usage", "gen_ai.client.operation.duration", "gen_ai.invoke_agent.duration", "gen_ai.token.type"]
    {
        assert!(metrics.contains(name), "`{name}` is in no metric: {metrics}");
    }
    assert!(traces.contains("[redacted]"), "the key was the model's name: {traces}");
    for sent in [&traces, &metrics, &run.err, &run.out] {
        assert!(!sent.contains(SECRET), "the key is told: {sent}");
    }
    assert!(!traces.contains("CONTENT-OF-A-ROW") && !metrics.contains("CONTENT-OF-A-ROW"), "content is told");
}

#[test]
fn a_worker_shows_what_it_measures_and_logs_json() {
    let (provider, folder) = (leaky(), project().on_server());
    let id = fine(&folder, "run sort.pmflow --yes --detach").trim().to_owned();
    let mut command = provider.command(&folder, &["worker", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.env("OPENAI_API_KEY", SECRET).env("PMFLOW_LOG", "debug,sqlx=error");
    let mut worker = Daemon::start(command);
    let address = listening(&mut worker);
    let ended: Value = serde_json::from_str(&worker.hear("run ended")).expect("a line is JSON");
    assert_eq!((ended["level"].as_str(), ended["run"].as_str()), (Some("INFO"), Some(id.as_str())), "{ended}");
    let metrics = asked(&address, "/metrics");
    for line in [
        "HTTP/1.1 200",
        "# TYPE pmflow_runs_total counter",
        r#"pmflow_runs_total{flow="sort",status="succeeded"} 1"#,
        r#"pmflow_model_calls_total{provider="openai",model="gpt-6-luna",outcome="answered"} 1"#,
        r#"pmflow_model_calls_total{provider="openai",model="gpt-6-luna",outcome="permission"} 1"#,
        r#"pmflow_tokens_total{provider="openai",model="gpt-6-luna",type="input"} 31"#,
        "pmflow_model_call_duration_seconds_bucket",
        "pmflow_runs_live",
    ] {
        assert!(metrics.contains(line), "`{line}` is not shown:\n{metrics}");
    }
    assert!(asked(&address, "/health").starts_with("HTTP/1.1 200"));
    assert!(asked(&address, "/ready").contains("\"database\":true"));
    worker.signal("TERM");
    let (code, heard) = worker.ended();
    assert_eq!(code, Some(0), "{heard}");
    assert!(!heard.contains(SECRET) && !metrics.contains(SECRET), "the key is told: {heard}");
}

#[test]
fn what_cannot_be_spoken_is_told() {
    let folder = project();
    let mut command = folder.command(&["run", "sort.pmflow", "--simulate"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let refused = said(command.output().expect("pmflow can be started"));
    assert!(refused.code != Some(0) && refused.err.contains("pmflow speaks `http/protobuf`"), "{}", refused.err);
    // Nobody answers: the run goes its way.
    let mut command = folder.command(&["run", "sort.pmflow", "--simulate"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let away = said(command.output().expect("pmflow can be started"));
    assert_eq!(away.code, Some(0), "{}", away.err);
}
