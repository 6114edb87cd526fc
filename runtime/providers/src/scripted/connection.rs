//! Connections that can be reset on purpose, and bodies that misbehave.

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The handle by which a request's handler reaches its connection.
#[derive(Clone, Debug)]
pub(super) struct Connection(Arc<AtomicBool>);

impl Connection {
    /// The next write fails, and the connection is closed with a reset.
    pub fn reset(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub(super) struct Connections(pub TcpListener);

pub(super) struct Stream {
    inner: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Listener for Connections {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            if let Ok((inner, address)) = self.0.accept().await {
                let _ = inner.set_nodelay(true);
                return (Stream { inner, reset: Arc::default() }, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Connections>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Connection {
        Connection(stream.io().reset.clone())
    }
}

impl Stream {
    fn check(&self) -> io::Result<()> {
        match self.reset.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// One byte at a time.
pub(super) fn drip(body: Vec<u8>, pause: Duration) -> Body {
    let bytes = futures::stream::unfold(body.into_iter(), move |mut rest| async move {
        let byte = rest.next()?;
        tokio::time::sleep(pause).await;
        Some((Ok::<Bytes, io::Error>(Bytes::from(vec![byte])), rest))
    });
    Body::from_stream(bytes)
}

/// The first bytes, then an error, which closes the connection in the middle of the body.
pub(super) fn cut(mut body: Vec<u8>, bytes: usize) -> Body {
    body.truncate(bytes);
    let first = futures::stream::once(async move { Ok(Bytes::from(body)) });
    let broken = futures::stream::once(async {
        // What is written together with the error would never leave.
        tokio::time::sleep(Duration::from_millis(10)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    Body::from_stream(futures::StreamExt::chain(first, broken))
}

/// Nothing, for ever.
pub(super) fn silence() -> Body {
    Body::from_stream(futures::stream::pending::<io::Result<Bytes>>())
}

/// So many opening brackets, without holding them.
pub(super) fn flood(bytes: usize) -> Body {
    const PIECE: usize = 1 << 20;
    let piece = Bytes::from(vec![b'['; PIECE]);
    let pieces = futures::stream::unfold(bytes, move |left| {
        let piece = piece.slice(..left.min(PIECE));
        async move { (left > 0).then(|| (Ok::<Bytes, io::Error>(piece), left - left.min(PIECE))) }
    });
    Body::from_stream(pieces)
}
