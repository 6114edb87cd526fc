//! Between the transport and the session: messages go into the queue at once, in the order in which they came.

use crate::queue::{Incoming, Job};
use futures::channel::mpsc as channel;
use futures::future::BoxFuture;
use futures::sink::Drain;
use std::convert::Infallible;
use std::sync::mpsc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tower_lsp_server::Loopback;
use tower_lsp_server::jsonrpc::{Error, Request, Response};

/// Requests that may wait for their answers; the next message is read only below that, and an edit must never wait.
pub const WAITING_MAX: usize = 1 << 16;

pub struct Inlet {
    pub jobs: mpsc::Sender<Incoming>,
}

impl tower_service::Service<Request> for Inlet {
    type Response = Option<Response>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Option<Response>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// The message is in the queue when this returns, before its future is ever polled.
    fn call(&mut self, request: Request) -> Self::Future {
        let (method, id, params) = request.into_parts();
        let params = params.unwrap_or_default();
        let Some(id) = id else {
            let _ = self.jobs.send(Incoming { method: method.into_owned(), params, job: Job::Notification });
            return Box::pin(async { Ok(None) });
        };
        let (reply, answer) = oneshot::channel();
        let job = Job::Request { id: id.clone(), reply };
        let _ = self.jobs.send(Incoming { method: method.into_owned(), params, job });
        Box::pin(async move {
            let result = answer.await.unwrap_or_else(|_| Err(Error::internal_error()));
            Ok(Some(Response::from_parts(id, result)))
        })
    }
}

/// What the server asks and tells; its requests need no answer that matters.
pub struct Outlet {
    pub requests: channel::UnboundedReceiver<Request>,
}

impl Loopback for Outlet {
    type RequestStream = channel::UnboundedReceiver<Request>;
    type ResponseSink = Drain<Response>;

    fn split(self) -> (Self::RequestStream, Self::ResponseSink) {
        (self.requests, futures::sink::drain())
    }
}
