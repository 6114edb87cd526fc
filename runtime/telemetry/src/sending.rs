//! Requests of the exporters. Their threads have no reactor, so each request is made on the process's own runtime.

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Handle;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(crate) struct Sending {
    runtime: Handle,
    client: reqwest::Client,
}

impl Sending {
    pub fn new() -> Result<Sending, String> {
        let builder = reqwest::Client::builder().timeout(ANSWER_WITHIN).redirect(reqwest::redirect::Policy::none());
        let client = builder.build().map_err(|error| format!("the HTTP client cannot be set up: {error}"))?;
        Ok(Sending { runtime: Handle::current(), client })
    }
}

impl HttpClient for Sending {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let (parts, body) = request.into_parts();
            let asked = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
            let answer = asked.send().await?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.clone_from(answer.headers());
            }
            Ok::<_, HttpError>(response.body(answer.bytes().await?)?)
        });
        Box::pin(async move { sent.await? })
    }
}
