//! The websocket that carries a remote kernel's messages, and its mending.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode, Upgraded};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message as Frame};

use super::super::content::Status;
use super::super::kernel::Incoming;
use super::super::message::{Body, Channel, Message, Request};
use super::super::zmtp::MAX_MESSAGE;
use super::frames::{self, BINARY, Protocol};
use super::server::Server;
use crate::InterpreterError;

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// How long a broken connection is mended before the kernel counts as lost.
const MEND_TIME: Duration = Duration::from_secs(20);
const MEND_AGAIN: Duration = Duration::from_millis(200);
/// A connection in which nothing came for two of these is broken: the server answers each of our pings.
const PING: Duration = Duration::from_secs(15);

/// A connected websocket.
pub(super) struct Socket {
    stream: WebSocketStream<Upgraded>,
    protocol: Protocol,
}

impl Socket {
    /// Connects to the channels of a kernel. The same `session` gets what came while it was away.
    pub(super) async fn connect(server: &Server, kernel: &str, session: &str) -> Result<Self, InterpreterError> {
        let connected = timeout(CONNECT_TIME, Self::upgrade(server, kernel, session)).await;
        connected.map_err(|_| InterpreterError::backend("the Jupyter server does not answer"))?
    }

    /// The opening handshake (RFC 6455), over the one HTTP client.
    async fn upgrade(server: &Server, kernel: &str, session: &str) -> Result<Self, InterpreterError> {
        let mut url = server.address(["kernels", kernel, "channels"]);
        url.query_pairs_mut().append_pair("session_id", session);
        let key = generate_key();
        let request = server
            .request(Method::GET, url)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Protocol", BINARY)
            .header("Sec-WebSocket-Key", &key);
        let response = request.send().await.map_err(InterpreterError::backend)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let problem = format!("the Jupyter server opens no channel to the kernel ({})", response.status());
            return Err(InterpreterError::backend(problem));
        }
        if header("Sec-WebSocket-Accept") != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err(InterpreterError::backend("what answered is no websocket"));
        }
        let protocol = if header("Sec-WebSocket-Protocol") == Some(BINARY) { Protocol::Binary } else { Protocol::Json };
        let upgraded = response.upgrade().await.map_err(InterpreterError::backend)?;
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        Ok(Self { stream, protocol })
    }
}

/// Carries messages both ways until the kernel is lost or nobody asks any more.
pub(super) struct Carrier {
    pub(super) server: Server,
    pub(super) kernel: String,
    pub(super) session: String,
    pub(super) incoming: mpsc::Sender<Incoming>,
    pub(super) requests: mpsc::UnboundedReceiver<Request>,
}

/// Why a connection is not used any more.
enum Break {
    /// It can be made again.
    Broken(String),
    /// The kernel is gone.
    Lost(String),
    /// Nobody listens.
    Done,
}

impl Carrier {
    pub(super) async fn carry(mut self, mut socket: Socket) {
        loop {
            let lost = match self.through(&mut socket).await {
                Break::Done => return,
                Break::Lost(how) => how,
                Break::Broken(how) => match self.mend().await {
                    Ok(mended) => {
                        tracing::info!(%how, "the connection to a kernel was made again");
                        socket = mended;
                        continue;
                    }
                    Err(why) => format!("{how}, and {why}"),
                },
            };
            let _ = self.incoming.send(Incoming::Lost(lost)).await;
            return;
        }
    }

    /// Connects again, while the server still has the kernel.
    async fn mend(&self) -> Result<Socket, String> {
        let start = Instant::now();
        loop {
            let problem = match self.server.has(&self.kernel).await {
                Ok(false) => return Err("the server has ended the kernel".to_owned()),
                Ok(true) => match Socket::connect(&self.server, &self.kernel, &self.session).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => error.to_string(),
                },
                Err(refusal) => refusal.to_string(),
            };
            if start.elapsed() > MEND_TIME {
                return Err(problem);
            }
            sleep(MEND_AGAIN).await;
        }
    }

    async fn through(&mut self, socket: &mut Socket) -> Break {
        let mut pings = interval(PING);
        let mut silent = 0_u32;
        loop {
            tokio::select! {
                request = self.requests.recv() => {
                    let Some(request) = request else { return Break::Done };
                    if let Err(error) = socket.stream.send(socket.protocol.frame(&request)).await {
                        return Break::Broken(format!("the connection broke: {error}"));
                    }
                }
                frame = socket.stream.next() => {
                    silent = 0;
                    let frame = match frame {
                        Some(Ok(Frame::Close(_))) | None => return Break::Broken("the connection was closed".to_owned()),
                        Some(Ok(frame)) => frame,
                        Some(Err(error)) => return Break::Broken(format!("the connection broke: {error}")),
                    };
                    match frames::message(&frame) {
                        Some(Ok(message)) => {
                            if let Some(how) = death(&message) {
                                return Break::Lost(how.to_owned());
                            }
                            if self.incoming.send(Incoming::Message(message)).await.is_err() {
                                return Break::Done;
                            }
                        }
                        Some(Err(problem)) => tracing::debug!(%problem, "passed over what is no message"),
                        None => {}
                    }
                }
                _ = pings.tick() => {
                    silent = silent.saturating_add(1);
                    if silent > 3 {
                        return Break::Broken("the server fell silent".to_owned());
                    }
                    if let Err(error) = socket.stream.send(Frame::Ping(Bytes::new())).await {
                        return Break::Broken(format!("the connection broke: {error}"));
                    }
                }
            }
        }
    }
}

/// What the server says of a kernel that died. It says it itself, so such a message answers no request.
fn death(message: &Message) -> Option<&'static str> {
    let (Channel::Iopub, "status", None, Body::Json(json)) =
        (message.channel, message.kind.as_str(), &message.parent, &message.body)
    else {
        return None;
    };
    match &*serde_json::from_slice::<Status<'_>>(json).ok()?.execution_state {
        "restarting" | "autorestarting" => Some("the kernel died, and the server started another"),
        "dead" => Some("the kernel died"),
        _ => None,
    }
}
