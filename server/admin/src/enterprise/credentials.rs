//! Secrets and their slow hashes, worked out beside the workers.

use super::gate::Gate;
use crate::errors;
use crate::respond::Answer;
use serde_json::{Map, Value};
use store::{Id, View};
use tokio::sync::Semaphore;

/// Slow hashes that are worked out at a time: each takes 19 MiB and a processor, whoever asks.
static SLOW: Semaphore = Semaphore::const_new(4);

/// The one among these whose slow hash is that of a secret.
pub(super) async fn fitting<Of: Send + 'static>(secret: &str, hashes: Vec<(Of, String)>) -> Option<(Of, String)> {
    let secret = secret.to_owned();
    let _turn = SLOW.acquire().await.ok()?;
    let found = actix_web::web::block(move || hashes.into_iter().find(|(_, hash)| access::verify(&secret, hash)));
    found.await.ok().flatten()
}

/// The slow hash of a secret.
pub(super) async fn hashed(secret: &str) -> Result<String, Answer> {
    let secret = secret.to_owned();
    let _turn = SLOW.acquire().await.map_err(|_| errors::unexpected())?;
    let hash = actix_web::web::block(move || access::hash(&secret)).await;
    hash.ok().flatten().ok_or_else(errors::unexpected)
}

impl Gate {
    /// Puts a new RBAC token into the members of a user, as it is stored. A token that another user has is refused.
    pub(super) async fn take_token(
        &self,
        view: &View,
        own: Option<&Id>,
        token: &str,
        members: &mut Map<String, Value>,
    ) -> Result<(), Answer> {
        if token.is_empty() {
            return Err(errors::schema_violation(schema::Errors::of("user_token", "length must be at least 1")));
        }
        let ident = access::ident(token);
        let same: Vec<(Id, String)> = view
            .all("rbac_users")
            .filter(|user| user.text("user_token_ident") == Some(&ident))
            .filter_map(|user| Some((user.id.clone(), user.text("user_token")?.to_owned())))
            .collect();
        if !same.is_empty() {
            match fitting(token, same).await {
                Some((user, hash)) if Some(&user) == own => {
                    members.insert("user_token".to_owned(), hash.into());
                    members.insert("user_token_ident".to_owned(), ident.into());
                    return Ok(());
                }
                Some(_) => {
                    let taken = Map::from_iter([("user_token".to_owned(), Value::from("[taken]"))]);
                    return Err(errors::unique_violation(taken));
                }
                None => {}
            }
        }
        members.insert("user_token".to_owned(), hashed(token).await?.into());
        members.insert("user_token_ident".to_owned(), ident.into());
        Ok(())
    }
}
