//! Model calls: the text is counted again before it is sent, one request is made, and what it used is reported.

use crate::clients::Clients;
use crate::fitting::{self, Texts};
use crate::observe::{Watch, finish_of};
use crate::plans::Ready;
use crate::turns::RunTurns;
use crate::{HostError, Setup, clock, secrets};
use pmflow_engine::{CallId, Event, Finish, ModelCall};
use pmflow_plan::failure::Failure;
use pmflow_plan::{FailureClass, Model};
use pmflow_providers::{Client, Failed, Request, Response, Secrets, Settings, SimulateOptions, base_url_variable};
use pmflow_store::Store;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

mod batches;

/// The client of one run, and what each prompt asks for.
#[derive(Debug)]
pub(crate) struct Models {
    client: Client,
    of: Arc<Ready>,
}

/// Provider keys, from the environment.
#[derive(Debug)]
struct Environment;

impl Secrets for Environment {
    fn get(&self, name: &str) -> Option<SecretString> {
        secrets::secret(name)
    }
}

impl Models {
    pub fn new(of: Arc<Ready>, setup: &Setup, clients: &Clients) -> Result<Models, HostError> {
        let simulate = setup.simulate.as_deref().map(SimulateOptions::parse).transpose();
        let simulate = simulate.map_err(|error| HostError::Setup(error.to_string()))?;
        let mut base_urls = setup.provider_urls.clone();
        for model in of.models.values() {
            if let Some(url) = secrets::environment(&base_url_variable(&model.provider)) {
                base_urls.insert(model.provider.clone(), url);
            }
        }
        let client = clients.of_models(Settings { base_urls, simulate, ..Settings::default() });
        Ok(Models { client, of })
    }

    fn model(&self, id: &str) -> Option<&Arc<Model>> {
        self.of.models.get(id)
    }

    /// Fails when a prompt has no model that a request could be sent to, for want of a key or an address.
    pub fn ready(&self) -> Result<(), HostError> {
        for prompt in self.of.plan.prompts.values() {
            let chain = || prompt.chain.iter().filter_map(|id| self.model(id));
            let failures: Vec<Failure> = chain().filter_map(|model| self.client.ready(model, &Environment).err()).collect();
            if let Some(first) = failures.first().filter(|_| failures.len() == chain().count()) {
                return Err(HostError::Setup(first.message.clone()));
            }
        }
        Ok(())
    }

    /// Names the account that the model's calls go to; none where nobody limits them.
    pub fn account(&self, model: &str) -> Option<String> {
        self.client.account(self.model(model)?, &Environment)
    }

    pub async fn call<S: Store>(&self, turns: &RunTurns<S>, watch: Watch<'_>, call: ModelCall) -> Event {
        match self.request(&call) {
            Ok(request) => self.send(turns, watch, request, call).await,
            Err(failure) => Event::CallFailed { call: call.call, failure },
        }
    }

    fn request(&self, call: &ModelCall) -> Result<Request, Failure> {
        let missing = |what: &str| Failure::not_sent(FailureClass::Permission, format!("the plan has no {what}"));
        let plan = &self.of.plan;
        let model = self.model(&call.model).ok_or_else(|| missing(&format!("model `{}`", call.model)))?;
        let prompt = plan.prompts.get(&call.prompt).ok_or_else(|| missing(&format!("prompt `{}`", call.prompt)))?;
        let answer = self.of.answers.get(&call.prompt).ok_or_else(|| missing(&format!("prompt `{}`", call.prompt)))?;
        let Texts { system, messages } = fitting::fit(plan, model, prompt, call)?;
        Ok(Request {
            model: model.clone(),
            system: system.as_deref().map(str::to_owned),
            messages: messages.iter().map(|message| (message.role, message.text.to_string())).collect(),
            answer: answer.clone(),
            answer_type: call.answer.clone(),
            types: self.of.types.clone(),
            output_tokens_max: call.output_tokens_max,
            thinking_tokens_max: call.thinking_tokens_max,
            temperature_milli: call.temperature_milli,
            timeout: Duration::from_millis(call.timeout_ms),
            idempotency_key: call.idempotency_key.clone(),
        })
    }

    async fn send<S: Store>(&self, turns: &RunTurns<S>, watch: Watch<'_>, request: Request, call: ModelCall) -> Event {
        let started_at = clock::now();
        let answer = self.client.send(&request, &Environment).await;
        watch.model_call(&call, &request.model.provider, &request.model.wire_name, started_at, &answer);
        turns.report(&call, &answer);
        outcome(call.call, call.model, answer)
    }
}

fn outcome(call: CallId, model: String, answer: Result<Response, Failed>) -> Event {
    match answer {
        Ok(response) => {
            for doubt in &response.usage_doubts {
                tracing::warn!(%call, %doubt, "the provider's usage is doubtful");
            }
            let finish = finish_of(response.stop);
            Event::ModelAnswered { call, text: response.text, finish, usage: response.usage, model }
        }
        Err(Failed { failure, usage: None, .. }) => Event::CallFailed { call, failure },
        // What was billed is to the engine an answer that cannot be used.
        Err(Failed { failure, usage: Some(usage), .. }) => {
            let finish = if failure.class == FailureClass::Refusal { Finish::Refused } else { Finish::Complete };
            Event::ModelAnswered { call, text: failure.message, finish, usage, model }
        }
    }
}
