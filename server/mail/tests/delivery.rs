//! Mails reach a mail server, protected and signed in as configured.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use exchange::{Destination, Mail, Outbox, Receiver, Recipient, Shipment, Shipping};
use mail::{Auth, MailError, Outgoing, Scheme, Security, Settings};
use rustls_pki_types::PrivateKeyDer;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Keeps what is left, with who takes it.
#[derive(Default)]
struct Shelf {
    receiver: Mutex<Option<Arc<dyn Receiver>>>,
    left: Arc<Mutex<Vec<Bytes>>>,
}

struct Left(Arc<Mutex<Vec<Bytes>>>);

impl Outbox for Left {
    fn push(&self, entry: Bytes) {
        self.0.lock().unwrap().push(entry);
    }
}

impl Shipping for Shelf {
    fn open(&self, shipment: Shipment) -> Arc<dyn Outbox> {
        assert!(shipment.limits.concurrent && shipment.limits.max_entries < 10_000);
        let Destination::Receiver(Recipient { receiver, name }) = shipment.destination else { panic!("elsewhere") };
        assert!(name.ends_with("(SMTP)"), "{name}");
        *self.receiver.lock().unwrap() = Some(receiver);
        Arc::new(Left(self.left.clone()))
    }
}

impl Shelf {
    /// Has what was left first taken once.
    async fn deliver(&self) -> Result<(), String> {
        let first = self.left.lock().unwrap()[0].clone();
        let receiver = self.receiver.lock().unwrap().clone().unwrap();
        receiver.receive(first).await
    }
}

/// What a server is.
#[derive(Clone, Default)]
struct Manner {
    tls: Option<TlsAcceptor>,
    from_the_start: bool,
    /// Mails that are refused first, for now.
    busy: Arc<Mutex<usize>>,
    /// What clients said.
    said: Arc<Mutex<Vec<String>>>,
}

/// A mail server for as many connections as come; its port.
async fn serve(manner: Manner) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(converse(socket, manner.clone()));
        }
    });
    port
}

async fn converse(socket: TcpStream, manner: Manner) {
    let Some(acceptor) = manner.tls.clone() else { return drop(speak(socket, &manner, true).await) };
    if manner.from_the_start {
        if let Ok(socket) = acceptor.accept(socket).await {
            speak(socket, &manner, true).await;
        }
        return;
    }
    let Some(socket) = speak(socket, &manner, true).await else { return };
    manner.said.lock().unwrap().push("(TLS)".to_owned());
    if let Ok(socket) = acceptor.accept(socket).await {
        speak(socket, &manner, false).await;
    }
}

/// Speaks SMTP until the client goes, or wants TLS: then the connection is given back.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(socket: S, manner: &Manner, greet: bool) -> Option<S> {
    let mut socket = BufReader::new(socket);
    let mut begin = greet.then_some("220 mail.test at your service\r\n");
    let (mut line, mut in_text) = (String::new(), false);
    loop {
        if let Some(greeting) = begin.take() {
            socket.write_all(greeting.as_bytes()).await.ok()?;
        }
        line.clear();
        if socket.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let text = line.trim_end().to_owned();
        manner.said.lock().unwrap().push(text.clone());
        let answer = if in_text {
            in_text = text != ".";
            let mut busy = manner.busy.lock().unwrap();
            match (in_text, *busy) {
                (true, _) => "",
                (false, 0) => "250 taken\r\n",
                (false, _) => {
                    *busy -= 1;
                    "451 not now\r\n"
                }
            }
        } else {
            match text.split(' ').next().unwrap_or_default() {
                "EHLO" if manner.tls.is_some() && !manner.from_the_start && greet => {
                    "250-mail.test\r\n250 STARTTLS\r\n"
                }
                "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n",
                "STARTTLS" => {
                    socket.write_all(b"220 begin\r\n").await.ok()?;
                    return Some(socket.into_inner());
                }
                "AUTH" if text == "AUTH LOGIN" => "334 VXNlciBOYW1lAA==\r\n",
                "AUTH" => "235 welcome\r\n",
                "DATA" => {
                    in_text = true;
                    "354 go on\r\n"
                }
                "QUIT" => "221 bye\r\n",
                // The answers to AUTH LOGIN's two questions.
                word if word == BASE64_STANDARD.encode("ann") => "334 UGFzc3dvcmQA\r\n",
                word if word == BASE64_STANDARD.encode("s3cret") => "235 welcome\r\n",
                _ => "250 fine\r\n",
            }
        };
        socket.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn settings(port: u16) -> Settings {
    Settings {
        host: "localhost".to_owned(),
        port,
        security: Security::None,
        auth: None,
        domain: "gateway.test".to_owned(),
        step: Duration::from_secs(60),
        whole: Duration::from_secs(60),
        from: "Gateway <gateway@example.com>".to_owned(),
        reply_to: Some("desk@example.com".to_owned()),
        authorities: Vec::new(),
    }
}

fn hello() -> Mail {
    Mail {
        to: "ann@example.com".to_owned(),
        subject: "Grüße\r\nBcc: eve@example.com".to_owned(),
        text: "One line\n.\nhttps://example.com/register?token=abc\n".to_owned(),
    }
}

/// A server's certificate for localhost, which is its own authority.
fn certified() -> (TlsAcceptor, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.der().to_vec())
}

#[tokio::test]
async fn a_mail_arrives_whole_and_with_its_headers() {
    let manner = Manner { busy: Arc::new(Mutex::new(1)), ..Manner::default() };
    let shelf = Shelf::default();
    let outgoing = Outgoing::open(settings(serve(manner.clone()).await), &shelf).unwrap();
    outgoing.leave(hello()).unwrap();
    let error = shelf.deliver().await.unwrap_err();
    assert!(error.contains("not now"), "{error}");
    let ids = |said: &[String]| said.iter().filter(|line| line.starts_with("Message-ID")).cloned().collect::<Vec<_>>();
    let first = ids(&manner.said.lock().unwrap());
    manner.said.lock().unwrap().clear();
    assert_eq!(shelf.deliver().await, Ok(()));
    let said = manner.said.lock().unwrap().clone();
    // Whoever got it twice can tell.
    assert_eq!((first.len(), &first), (1, &ids(&said)));
    let has = |wanted: &str| said.iter().any(|line| line.contains(wanted));
    for wanted in [
        "EHLO gateway.test",
        "MAIL FROM:<gateway@example.com>",
        "RCPT TO:<ann@example.com>",
        "From: Gateway <gateway@example.com>",
        "To: ann@example.com",
        "Reply-To: desk@example.com",
        "@gateway.test>",
        "Date: ",
        "https://example.com/register?token=abc",
        "..",
    ] {
        assert!(has(wanted), "{wanted}: {said:?}");
    }
    assert!(!said.iter().any(|line| line.starts_with("Bcc") || line.starts_with("AUTH")), "{said:?}");
}

#[tokio::test]
async fn one_signs_in_as_configured() {
    let plain = BASE64_STANDARD.encode("\0ann\0s3cret");
    for (scheme, wanted) in [(Scheme::Plain, format!("AUTH PLAIN {plain}")), (Scheme::Login, "AUTH LOGIN".to_owned())] {
        let (manner, shelf) = (Manner::default(), Shelf::default());
        let auth = Auth { scheme, user: "ann".to_owned(), password: "s3cret".to_owned() };
        assert!(!format!("{auth:?}").contains("s3cret"));
        let settings = Settings { auth: Some(auth), ..settings(serve(manner.clone()).await) };
        Outgoing::open(settings, &shelf).unwrap().leave(hello()).unwrap();
        assert_eq!(shelf.deliver().await, Ok(()));
        let said = manner.said.lock().unwrap().clone();
        assert!(said.contains(&wanted) && said.contains(&"DATA".to_owned()), "{said:?}");
    }
}

#[tokio::test]
async fn tls_is_spoken_with_servers_that_someone_vouches_for() {
    for security in [Security::StartTls, Security::Tls] {
        let (acceptor, authority) = certified();
        let manner = Manner { tls: Some(acceptor), from_the_start: security == Security::Tls, ..Manner::default() };
        let port = serve(manner.clone()).await;
        for (authorities, arrives) in [(vec![authority], true), (Vec::new(), false)] {
            let shelf = Shelf::default();
            let settings = Settings { security, authorities, ..settings(port) };
            Outgoing::open(settings, &shelf).unwrap().leave(hello()).unwrap();
            manner.said.lock().unwrap().clear();
            let delivered = shelf.deliver().await;
            assert_eq!(delivered.is_ok(), arrives, "{security:?}: {delivered:?}");
            let said = manner.said.lock().unwrap().clone();
            assert_eq!(said.contains(&"DATA".to_owned()), arrives, "{said:?}");
        }
    }
    // A server that does not offer STARTTLS gets nothing.
    let (manner, shelf) = (Manner::default(), Shelf::default());
    let settings = Settings { security: Security::StartTls, ..settings(serve(manner.clone()).await) };
    Outgoing::open(settings, &shelf).unwrap().leave(hello()).unwrap();
    assert!(shelf.deliver().await.is_err());
    assert!(!manner.said.lock().unwrap().contains(&"DATA".to_owned()));
}

#[tokio::test]
async fn what_is_no_address_is_refused_at_once() {
    for (from, reply_to) in [("nobody", None), ("a@example.com", Some("b c".to_owned()))] {
        let settings = Settings { from: from.to_owned(), reply_to, ..settings(1) };
        assert!(matches!(Outgoing::open(settings, &Shelf::default()), Err(MailError::Address { .. })), "{from}");
    }
    let shelf = Shelf::default();
    let outgoing = Outgoing::open(settings(1), &shelf).unwrap();
    for to in ["", "ann", "ann@example.com\r\nRCPT TO:<eve@example.com>"] {
        let mail = Mail { to: to.to_owned(), ..hello() };
        assert!(matches!(outgoing.leave(mail), Err(MailError::Address { .. })), "{to}");
    }
    // Nobody listens there.
    outgoing.leave(hello()).unwrap();
    assert!(shelf.deliver().await.unwrap_err().starts_with("the mail server"));
}
