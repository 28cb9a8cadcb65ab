//! OCSP stapling: certificates that must be stapled, and responders that answer, answer garbage, or do not answer.
//! `openssl ocsp` makes the answers, `openssl s_client` looks at what is shown.

use e2e::{Gateway, eventually, free_port, get};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "-newkey rsa:2048";

fn openssl(folder: &Path, arguments: &str) -> String {
    let mut command = Command::new("openssl");
    let output = command.current_dir(folder).args(arguments.split(' ')).stdin(Stdio::null()).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An authority with the certificates it issued, and its responder, which is dead until it is started.
struct Authority {
    folder: PathBuf,
    port: u16,
    garbage: Arc<Mutex<Vec<&'static str>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Authority {
    fn new(folder: &Path) -> Self {
        openssl(folder, &format!("req -x509 {EC} -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=Authority"));
        let authority =
            Self { folder: folder.to_owned(), port: free_port(), garbage: Arc::default(), asked: Arc::default() };
        fs::write(folder.join("index.txt"), "").expect("written");
        authority.sign("responder", 1, EC, "extendedKeyUsage=OCSPSigning\n");
        authority
    }

    fn sign(&self, name: &str, serial: u32, kind: &str, extensions: &str) {
        let folder = &self.folder;
        fs::write(folder.join("extensions"), extensions).expect("written");
        openssl(folder, &format!("req {kind} -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        let from = format!("x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -days 2 -set_serial {serial}");
        openssl(folder, &format!("{from} -extfile extensions -out {name}.pem"));
    }

    /// A certificate for a name; `status` as in openssl's index: `V`, or `R` for a compromised key.
    fn issue(&self, name: &str, serial: u32, kind: &str, status: char, must_be_stapled: bool) {
        let feature = if must_be_stapled { "tlsfeature=status_request\n" } else { "" };
        let responder = format!("authorityInfoAccess=OCSP;URI:http://127.0.0.1:{}/{name}\n", self.port);
        self.sign(name, serial, kind, &format!("subjectAltName=DNS:{name}\n{responder}{feature}"));
        let revoked = if status == 'R' { "250101000000Z,keyCompromise" } else { "" };
        let line = format!("{status}\t391231235959Z\t{revoked}\t{serial:04X}\tunknown\t/CN={name}\n");
        let mut index = fs::OpenOptions::new().append(true).open(self.folder.join("index.txt")).expect("opened");
        index.write_all(line.as_bytes()).expect("written");
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).expect("readable")
    }

    /// A Certificate entity; with a chain where `whole`.
    fn entity(&self, name: &str, whole: bool) -> Value {
        let more = if whole { self.text("ca.pem") } else { String::new() };
        json!({ "cert": self.text(&format!("{name}.pem")) + &more, "key": self.text(&format!("{name}.key")) })
    }

    fn start(&self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the responder's port");
        let (folder, garbage, asked) = (self.folder.clone(), self.garbage.clone(), self.asked.clone());
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (path, question) = read(&stream).unwrap_or_default();
                let path = path.trim_start_matches('/').to_owned();
                let spoiled = garbage.lock().unwrap_or_else(PoisonError::into_inner).contains(&path.as_str());
                asked.lock().unwrap_or_else(PoisonError::into_inner).push(path);
                let answer =
                    if spoiled { b"\x30\x82\xff\xffgarbage".to_vec() } else { answer(&folder, number, &question) };
                write(stream, &answer);
            }
        });
    }

    fn spoil(&self, names: &[&'static str]) {
        *self.garbage.lock().unwrap_or_else(PoisonError::into_inner) = names.to_vec();
    }

    /// How often it was asked about a certificate.
    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|asked| *asked == name).count()
    }
}

/// Path and body of a request that a responder may get (RFC 6960 appendix A.1).
fn read(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut typed) = (String::new(), 0, false);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        typed |= line == "content-type: application/ocsp-request";
        length = line.strip_prefix("content-length: ").map_or(length, |value| value.parse().unwrap_or_default());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    (first.starts_with("POST ") && typed).then(|| (first.split(' ').nth(1).unwrap_or_default().to_owned(), body))
}

fn answer(folder: &Path, number: usize, question: &[u8]) -> Vec<u8> {
    let (asked, answered) = (format!("question{number}.der"), format!("answer{number}.der"));
    fs::write(folder.join(&asked), question).expect("written");
    let signer = "-CA ca.pem -rsigner responder.pem -rkey responder.key -index index.txt -ndays 1";
    openssl(folder, &format!("ocsp {signer} -reqin {asked} -respout {answered}"));
    fs::read(folder.join(&answered)).expect("an answer")
}

fn write(mut stream: TcpStream, body: &[u8]) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nConnection: close\r\nContent-Length: ";
    // Who asked may have gone.
    let _ = write!(stream, "{head}{}\r\n\r\n", body.len()).and_then(|()| stream.write_all(body));
}

/// What a client is shown that takes signatures of one kind: the key's kind, and the status that is stapled.
fn shown(address: SocketAddr, name: &str, signatures: &str) -> (&'static str, &'static str) {
    let arguments = format!("s_client -connect {address} -servername {name} -status -sigalgs {signatures}");
    let output = openssl_client(&arguments);
    let has = |text: &str| output.contains(text);
    let status = match () {
        () if has("OCSP response: no response sent") => "none",
        () if has("OCSP Response Status: successful") && has("Cert Status: good") => "good",
        () => panic!("{output}"),
    };
    (if has("type: RSA") { "RSA" } else { "EC" }, status)
}

fn openssl_client(arguments: &str) -> String {
    let mut command = Command::new("openssl");
    let output = command.args(arguments.split(' ')).stdin(Stdio::null()).output().expect("openssl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const ANY: &str = "ECDSA+SHA256:RSA-PSS+SHA256";
const ONLY_RSA: &str = "RSA-PSS+SHA256";

#[test]
fn what_must_be_stapled_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    authority.issue("two.test", 0x1001, EC, 'V', true);
    authority.issue("rsa.two.test", 0x1002, RSA, 'V', true);
    authority.issue("alone.test", 0x1003, EC, 'V', true);
    authority.issue("revoked.test", 0x1004, EC, 'R', true);
    authority.issue("spoiled.test", 0x1005, EC, 'V', true);
    authority.issue("plain.test", 0x1006, EC, 'V', false);
    authority.issue("own.test", 0x1007, EC, 'V', true);
    authority.issue("orphan.test", 0x1008, EC, 'V', true);
    // Another authority of the same name did not issue it.
    openssl(folder.path(), &format!("req -x509 {EC} -nodes -days 2 -keyout no.key -out no.pem -subj /CN=Authority"));
    let chain = folder.path().join("own-chain.pem");
    fs::write(&chain, authority.text("own.test.pem") + &authority.text("ca.pem")).expect("written");

    let port = free_port();
    let errors = folder.path().join("errors.log");
    let path = |file: &str| folder.path().join(file).display().to_string();
    let gateway = Gateway::start(&[
        ("KONG_PROXY_LISTEN", &format!("127.0.0.1:{port} ssl")),
        ("KONG_LOG_LEVEL", "info"),
        ("KONG_PROXY_ERROR_LOG", &path("errors.log")),
        ("KONG_SSL_CERT", &path("own-chain.pem")),
        ("KONG_SSL_CERT_KEY", &path("own.test.key")),
    ]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let entity = |name: &str, whole: bool| {
        let mut entity = authority.entity(name, whole);
        entity["snis"] = json!([{ "name": name }]);
        entity
    };
    let mut two = entity("two.test", true);
    let alternative = authority.entity("rsa.two.test", true);
    (two["cert_alt"], two["key_alt"]) = (alternative["cert"].clone(), alternative["key"].clone());
    let certificates = vec![
        two,
        entity("alone.test", false),
        entity("revoked.test", true),
        entity("spoiled.test", true),
        entity("plain.test", true),
    ];
    let configuration = |certificates: &[Value], authorities: &[&str]| {
        let authorities: Vec<_> = authorities.iter().map(|file| json!({ "cert": authority.text(file) })).collect();
        json!({ "_format_version": "3.0", "certificates": certificates, "ca_certificates": authorities })
    };
    let configure = |configuration: &Value| {
        let loaded = gateway.configure(configuration);
        assert_eq!(loaded.status, 201, "{}", loaded.text());
    };
    let logged = |what: &str| {
        eventually(what, || fs::read_to_string(&errors).is_ok_and(|log| log.lines().any(|line| line.contains(what))));
    };
    let figure = |line: &str| get(gateway.status, "/metrics", &[]).text().lines().any(|known| known == line);

    // The responder is dead: handshakes go on without.
    configure(&configuration(&certificates, &["no.pem", "ca.pem"]));
    eventually("the configuration is in use", || shown(address, "two.test", ONLY_RSA).0 == "RSA");
    for name in ["two.test", "alone.test", "revoked.test", "spoiled.test", "plain.test", "other.test"] {
        assert_eq!(shown(address, name, ANY), ("EC", "none"), "{name}");
    }
    logged("the certificate CN=two.test (serial 10:01) must be stapled, and is shown without: http://127.0.0.1:");
    assert!(
        figure("silverback_ocsp_certificates{state=\"bare\"} 6"),
        "{}",
        get(gateway.status, "/metrics", &[]).text()
    );

    // It is back.
    authority.spoil(&["spoiled.test"]);
    authority.start();
    for (name, signatures, kind) in
        [("two.test", ANY, "EC"), ("two.test", ONLY_RSA, "RSA"), ("alone.test", ANY, "EC"), ("other.test", ANY, "EC")]
    {
        eventually(name, || shown(address, name, signatures) == (kind, "good"));
    }
    logged("the certificate CN=alone.test (serial 10:03) is stapled: valid for 86");
    logged("the certificate CN=revoked.test (serial 10:04) is not stapled, http://127.0.0.1:");
    logged("the certificate is revoked: keyCompromise");
    assert_eq!(shown(address, "revoked.test", ANY).1, "none");

    // Garbage does no harm, and what comes after it is taken.
    eventually("garbage was sent", || authority.asked("spoiled.test") >= 1);
    logged("the answer cannot be read");
    assert_eq!(shown(address, "spoiled.test", ANY).1, "none");
    authority.spoil(&[]);
    eventually("spoiled.test", || shown(address, "spoiled.test", ANY).1 == "good");

    // What stays keeps its staple, what goes is forgotten, and an issuer may come later.
    let asked = authority.asked("two.test");
    let mut others: Vec<_> = certificates[..1].to_vec();
    others.push(entity("orphan.test", false));
    configure(&configuration(&others, &["no.pem"]));
    eventually("the next configuration is in use", || figure("silverback_ocsp_certificates{state=\"bare\"} 1"));
    assert_eq!(shown(address, "two.test", ANY), ("EC", "good"));
    assert_eq!(shown(address, "two.test", ONLY_RSA), ("RSA", "good"));
    assert!(figure("silverback_ocsp_certificates{state=\"stapled\"} 3"));
    logged("the certificate of its issuer 'CN=Authority' is not known; it should follow in the same chain");
    configure(&configuration(&others, &["no.pem", "ca.pem"]));
    eventually("orphan.test", || shown(address, "orphan.test", ANY).1 == "good");
    assert_eq!(authority.asked("two.test"), asked);
    assert_eq!(authority.asked("plain.test"), 0);
}
