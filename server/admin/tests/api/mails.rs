//! Admins are invited, and get their passwords back, by mail.

use crate::access::{SUPER, ask, node_with};
use admin::GateSettings;
use exchange::{Mail, Mailer};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Keeps what is sent.
#[derive(Default)]
struct Sent(Mutex<Vec<Mail>>);

impl Mailer for Sent {
    fn send(&self, mail: Mail) {
        self.0.lock().unwrap().push(mail);
    }
}

impl Sent {
    /// The one mail that was sent since the last time.
    fn one(&self) -> Mail {
        let mut sent = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }
}

/// The token in the link of a mail.
fn token(mail: &Mail) -> String {
    let link = mail.text.lines().find(|line| line.starts_with("https://manager.test/")).unwrap();
    link.split_once("token=").unwrap().1.to_owned()
}

#[actix_web::test]
async fn an_admin_comes_in_by_mail() {
    let sent = Arc::new(Sent::default());
    let app = crate::app!(
        node_with(GateSettings {
            endpoints: true,
            passwords: true,
            manager_urls: vec!["https://manager.test/".to_owned()],
            mailer: Some(sent.clone()),
            ..GateSettings::default()
        })
        .await
    );
    let ann = json!({"username": "ann.b", "email": "Ann@example.com"});
    let (status, answer) = ask(&app, "POST", "/admins", Some(SUPER), Some(ann)).await;
    assert_eq!(status, 200, "{answer}");
    let invitation = sent.one();
    assert_eq!(invitation.to, "ann@example.com");
    let link = "https://manager.test/register?email=ann%40example.com&username=ann.b&token=";
    assert!(invitation.text.contains(link) && invitation.text.contains("72 hours"), "{}", invitation.text);
    // The token is for the one who reads the mail.
    assert!(!answer.contains(&token(&invitation)), "{answer}");
    let accept = |token: &str, password: &str| json!({"username": "ann.b", "email": "ann@example.com", "token": token, "password": password});
    let wrong = ask(&app, "POST", "/admins/register", None, Some(accept("other", "first password 1"))).await;
    assert_eq!(wrong.0, 401, "{}", wrong.1);
    let body = accept(&token(&invitation), "first password 1");
    assert_eq!(ask(&app, "POST", "/admins/register", None, Some(body.clone())).await.0, 201);
    assert_eq!(ask(&app, "POST", "/admins/register", None, Some(body)).await.0, 401);

    // Nobody learns which addresses are known.
    for (email, mails) in [("eve@example.com", 0), ("ANN@example.com", 1)] {
        let answer = ask(&app, "POST", "/admins/password_resets", None, Some(json!({"email": email}))).await;
        assert_eq!((answer, sent.0.lock().unwrap().len()), ((201, String::new()), mails));
    }
    let reset = sent.one();
    assert_eq!(reset.to, "ann@example.com");
    let change = json!({"email": "ann@example.com", "token": token(&reset), "password": "second password 2"});
    assert_eq!(ask(&app, "PATCH", "/admins/password_resets", None, Some(change)).await.0, 200);
    let told = sent.one();
    assert!(told.subject.contains("was changed") && !told.text.contains("second"), "{told:?}");
}

#[actix_web::test]
async fn without_a_sender_nothing_is_sent_and_nothing_fails() {
    let app =
        crate::app!(node_with(GateSettings { endpoints: true, passwords: true, ..GateSettings::default() }).await);
    let ann = json!({"username": "ann", "email": "ann@example.com"});
    assert_eq!(ask(&app, "POST", "/admins", Some(SUPER), Some(ann)).await.0, 200);
    let path = "/admins/ann?generate_register_url=true";
    let (status, answer) = ask(&app, "GET", path, Some(SUPER), None).await;
    assert!(status == 200 && answer.contains("register_url"), "{answer}");
    let email = json!({"email": "ann@example.com"});
    assert_eq!(ask(&app, "POST", "/admins/password_resets", None, Some(email)).await.0, 201);
}
