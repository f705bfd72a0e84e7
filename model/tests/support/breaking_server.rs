//! An HTTP server that speaks as the Hub does and breaks connections in the middle of an answer, which a mock server
//! that always sends whole answers cannot.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What happens in the middle of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Break {
    /// The connection is closed.
    Close,
    /// Nothing more comes, and the connection stays open.
    Hang,
}

pub(crate) struct BreakingServer {
    pub(crate) endpoint: String,
    /// First bytes of the ranges that were asked for, the one-byte ranges of metadata left out.
    pub(crate) asked: Arc<Mutex<Vec<usize>>>,
    task: JoinHandle<()>,
}

impl BreakingServer {
    /// Serves `content` under every address. Of the first `breaks` answers, only `after` bytes are sent.
    pub(crate) async fn start(content: Vec<u8>, how: Break, breaks: usize, after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (content, ranges) = (Arc::new(content), Arc::clone(&asked));
        let left = Arc::new(AtomicUsize::new(breaks));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&content), Arc::clone(&ranges), Arc::clone(&left), how, after));
            }
        });
        Self { endpoint, asked, task }
    }
}

impl Drop for BreakingServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    content: Arc<Vec<u8>>,
    asked: Arc<Mutex<Vec<usize>>>,
    left: Arc<AtomicUsize>,
    how: Break,
    after: usize,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    if head.starts_with("head ") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        return;
    }
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")).expect("a range");
    let (first, last) = range.split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let end = last.parse::<usize>().map_or(content.len(), |last| last + 1);
    let mut body = &content[first..end];
    let headers = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {first}-{}/{}\r\netag: \"v1\"\r\n\
         x-repo-commit: c0ffee\r\nconnection: close\r\n\r\n",
        body.len(),
        end - 1,
        content.len(),
    );
    let mut hang = false;
    if body.len() > 1 {
        asked.lock().unwrap().push(first);
        let breaks = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if breaks {
            body = &body[..after.min(body.len())];
            hang = matches!(how, Break::Hang);
        }
    }
    let _ = stream.write_all(headers.as_bytes()).await;
    let _ = stream.write_all(body).await;
    if hang {
        // Until the other side has enough of it.
        let _ = stream.read_u8().await;
    }
    let _ = stream.shutdown().await;
}
