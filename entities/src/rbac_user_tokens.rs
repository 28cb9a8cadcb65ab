//! Further tokens of RBAC users, with an end and a scope.

use crate::{Entity, RbacUser};
use schema::{Field, Foreign, Map, Named, Record, Schema, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A token by which its user is known, for some time and for a part of what the user may do.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RbacUserToken {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The user.
    #[field(is = cascade)]
    pub user: Foreign<RbacUser>,
    /// Its name, unique among the user's tokens.
    pub name: String,
    /// Slow hash of the token.
    pub token: String,
    /// The first digits of another digest of the token, to find it by.
    pub token_ident: String,
    /// When it ends, seconds since 1970; none: when it is revoked.
    pub expires_at: Option<i64>,
    /// What it is for.
    pub comment: Option<String>,
    /// What may be done with it at most: `endpoints` and `entities`, each a list of permissions as roles have them. Empty: what
    /// its user may do.
    #[field(is = self::scope)]
    pub scope: Map<String, Value>,
}

impl Named for RbacUserToken {
    const NAME: &'static str = "rbac_user_tokens";
}

fn scope(field: Field) -> Field {
    let actions =
        || Field::set("actions", Field::string("").one_of(["read", "create", "update", "delete"])).required(true);
    let negative = || Field::boolean("negative").default(false);
    let endpoint = Record::new()
        .field(Field::string("workspace").required(true))
        .field(Field::string("endpoint").required(true))
        .field(actions())
        .field(negative());
    let entity = Record::new().field(Field::string("entity_id").required(true)).field(actions()).field(negative());
    let lists = Record::new()
        .field(Field::array("endpoints", Field::record("", endpoint)).len_max(LONGEST))
        .field(Field::array("entities", Field::record("", entity)).len_max(LONGEST));
    Field::record(field.name().to_owned(), lists).required(true).help(field.help_text().to_owned())
}

/// How many permissions a scope lists of each sort.
const LONGEST: usize = 100;

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["user", "name"],
        unique_together: &[&["user", "name"]],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<RbacUserToken>("rbac_user_tokens")
    }
}
