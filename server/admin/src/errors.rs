//! Every error of the Admin API: status, code, name and sentence. Handlers make errors only here.

use crate::respond::Answer;
use declarative::Invalid;
use schema::{Errors, lua};
use serde_json::{Map, Value, json};

/// What an error is about. The number is the `code` of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    InvalidPrimaryKey = 1,
    SchemaViolation = 2,
    PrimaryKeyViolation = 3,
    ForeignKeyViolation = 4,
    UniqueViolation = 5,
    NotFound = 6,
    InvalidOffset = 7,
    Database = 8,
    InvalidSize = 9,
    InvalidUnique = 10,
    InvalidOptions = 11,
    Unsupported = 12,
    ForeignKeysUnresolved = 13,
    Referenced = 19,
}

impl Code {
    /// (HTTP status, name)
    const fn table(self) -> (u16, &'static str) {
        match self {
            Code::InvalidPrimaryKey => (400, "invalid primary key"),
            Code::SchemaViolation => (400, "schema violation"),
            Code::PrimaryKeyViolation => (400, "primary key violation"),
            Code::ForeignKeyViolation => (400, "foreign key violation"),
            Code::UniqueViolation => (409, "unique constraint violation"),
            Code::NotFound => (404, "not found"),
            Code::InvalidOffset => (400, "invalid offset"),
            Code::Database => (500, "database error"),
            Code::InvalidSize => (400, "invalid size"),
            Code::InvalidUnique => (400, "invalid unique"),
            Code::InvalidOptions => (400, "invalid options"),
            Code::Unsupported => (405, "operation unsupported"),
            Code::ForeignKeysUnresolved => (400, "foreign keys unresolved"),
            Code::Referenced => (400, "referenced by others"),
        }
    }

    fn answer(self, message: String, more: Option<(&str, Value)>) -> Answer {
        let (status, name) = self.table();
        let mut body = json!({"code": self as u8, "name": name, "message": message});
        if let Some((key, value)) = more {
            body[key] = value;
        }
        Answer::json(status, &body)
    }
}

/// A field with its value, as the key of an entity.
fn key_text(fields: &Map<String, Value>) -> String {
    lua::table_inline(&Value::Object(fields.clone()))
}

fn one(field: &str, value: impl Into<Value>) -> Map<String, Value> {
    Map::from_iter([(field.to_owned(), value.into())])
}

fn message(status: u16, text: &str) -> Answer {
    Answer::json(status, &json!({"message": text}))
}

/// No such path, or no such entity.
pub(crate) fn not_found() -> Answer {
    message(404, "Not found")
}

/// A path that exists, for other methods.
pub(crate) fn method_not_allowed() -> Answer {
    message(405, "Method not allowed")
}

/// No such entity, where the answer also names the request.
pub(crate) fn not_found_at(request_id: &str) -> Answer {
    Answer::json(404, &json!({"message": "Not found", "request_id": request_id}))
}

/// A body that is no JSON though it says so.
pub(crate) fn bad_json() -> Answer {
    message(400, "Cannot parse JSON body")
}

/// A body that cannot be read as the form it says it is.
pub(crate) fn bad_form() -> Answer {
    message(400, "Cannot parse form body")
}

/// More than a thousand query or form arguments.
pub(crate) fn too_many_arguments() -> Answer {
    message(400, "Too many arguments")
}

/// What should not happen.
pub(crate) fn unexpected() -> Answer {
    message(500, "An unexpected error occurred")
}

/// Something is known under other names only.
pub(crate) fn plain(status: u16, text: &str) -> Answer {
    message(status, text)
}

/// An HTML page as nginx makes it.
pub(crate) fn page(status: u16, title: &str) -> Answer {
    let html = format!(
        "<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    Answer::bytes(status, "text/html; charset=UTF-8", html)
}

/// A body of a type that is not read here.
pub(crate) fn unsupported_media_type() -> Answer {
    page(415, "Unsupported Media Type")
}

/// A body that does not come.
pub(crate) fn body_too_slow() -> Answer {
    page(408, "Request Time-out")
}

/// A body longer than allowed.
pub(crate) fn body_too_large() -> Answer {
    page(413, "Request Entity Too Large")
}

/// An id that is no id.
pub(crate) fn invalid_primary_key() -> Answer {
    let fields = one("id", "expected a valid UUID");
    Code::InvalidPrimaryKey
        .answer(format!("invalid primary key: '{}'", key_text(&fields)), Some(("fields", Value::Object(fields))))
}

/// A body that breaks the rules of its entity.
pub(crate) fn schema_violation(errors: Errors) -> Answer {
    let message = errors.message();
    Code::SchemaViolation.answer(message, Some(("fields", Value::Object(errors.into_fields()))))
}

/// An id that is taken.
pub(crate) fn primary_key_violation(id: &str) -> Answer {
    let fields = one("id", id);
    Code::PrimaryKeyViolation.answer(
        format!("primary key violation on key '{}'", key_text(&fields)),
        Some(("fields", Value::Object(fields))),
    )
}

/// Values that are taken.
pub(crate) fn unique_violation(fields: Map<String, Value>) -> Answer {
    Code::UniqueViolation.answer(
        format!("UNIQUE violation detected on '{}'", key_text(&fields)),
        Some(("fields", Value::Object(fields))),
    )
}

/// A reference to what does not exist.
pub(crate) fn foreign_violation(field: &str, id: &str, entity: &str) -> Answer {
    let key = one("id", id);
    let text = format!("the foreign key '{}' does not reference an existing '{entity}' entity.", key_text(&key));
    Code::ForeignKeyViolation.answer(text, Some(("fields", Value::Object(one(field, Value::Object(key))))))
}

/// What cannot go while something points to it.
pub(crate) fn still_referenced(entity: &str, by: &str) -> Answer {
    let text = format!("an existing '{by}' entity references this '{entity}' entity");
    Code::ForeignKeyViolation.answer(text, Some(("fields", Value::Object(one("@referenced_by", by)))))
}

/// A CA certificate that an entity trusts.
pub(crate) fn still_trusted(id: &store::Id, by: &str, user: &store::Id) -> Answer {
    Code::Referenced.answer(format!("ca certificate {id} is still referenced by {by} (id = {user})"), None)
}

/// References by name that lead nowhere: (field, the key's field, its value, entity).
pub(crate) fn foreign_unresolved(found: &[(String, String, Value, String)]) -> Answer {
    let mut fields = Map::new();
    let mut texts = Vec::new();
    for (field, key, value, entity) in found {
        let reason = format!(
            "the foreign key cannot be resolved with '{}' for an existing '{entity}' entity",
            key_text(&one(key, value.clone()))
        );
        texts.push(format!("{field}.{key}: {reason}"));
        fields.insert(field.clone(), Value::Object(one(key, reason)));
    }
    let text = match texts.len() {
        1 => format!("foreign key unresolved ({})", texts[0]),
        n => format!("{n} foreign keys unresolved ({})", texts.join("; ")),
    };
    Code::ForeignKeysUnresolved.answer(text, Some(("fields", Value::Object(fields))))
}

/// No entity with this primary key, where the answer says so in full.
pub(crate) fn no_such_id(id: &str) -> Answer {
    let fields = one("id", id);
    let text = format!("could not find the entity with primary key '{}'", key_text(&fields));
    Code::NotFound.answer(text, Some(("fields", Value::Object(fields))))
}

/// No entity with this value of its key field, where the answer says so in full.
pub(crate) fn no_such_key(field: &str, value: &str) -> Answer {
    let fields = one(field, value);
    let text = format!("could not find the entity with '{}'", key_text(&fields));
    Code::NotFound.answer(text, Some(("fields", Value::Object(fields))))
}

/// An offset that this node did not make.
pub(crate) fn invalid_offset(offset: &str, reason: &str) -> Answer {
    Code::InvalidOffset.answer(format!("'{offset}' is not a valid offset: {reason}"), None)
}

/// A page size out of bounds.
pub(crate) fn invalid_size(text: &str) -> Answer {
    Code::InvalidSize.answer(text.to_owned(), None)
}

/// A query option that cannot be.
pub(crate) fn invalid_option(option: &str, reason: &str) -> Answer {
    Code::InvalidOptions
        .answer(format!("invalid option ({option}: {reason})"), Some(("options", Value::Object(one(option, reason)))))
}

/// A value that the field which names entities cannot have.
pub(crate) fn invalid_unique(field: &str, text: &str) -> Answer {
    let (status, name) = Code::InvalidUnique.table();
    let body = json!({"code": Code::InvalidUnique as u8, "name": format!("{name} {field}"), "message": text});
    Answer::json(status, &body)
}

/// A tag that no entity can have.
pub(crate) fn invalid_tag(text: &str) -> Answer {
    let (status, name) = Code::InvalidUnique.table();
    let body = json!({"code": Code::InvalidUnique as u8, "name": format!("{name} tag"), "message": text, "fields": {"tags": text}});
    Answer::json(status, &body)
}

/// An entity that so many change at once that this write never got its turn.
pub(crate) fn contended() -> Answer {
    let mut answer = Code::Database.answer("others change this entity all the time; try again later".to_owned(), None);
    answer.status = 503;
    answer
}

/// What a write would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Update,
    Upsert,
    Remove,
}

/// A write on a node whose configuration comes as a whole.
pub(crate) fn read_only(write: Write, entity: &str, by: Option<&str>) -> Answer {
    let verb = match write {
        Write::Create => "create",
        Write::Update => "update",
        Write::Upsert => "create or update",
        Write::Remove => "remove",
    };
    let by = by.map(|field| format!(" by '{field}'")).unwrap_or_default();
    Code::Unsupported.answer(format!("cannot {verb} '{entity}' entities{by} when not using a database"), None)
}

/// A configuration that is wrong.
pub(crate) fn invalid_configuration(invalid: &Invalid, flatten: bool) -> Answer {
    Answer::json(400, &invalid.body(flatten))
}

/// What a write that others make for themselves says where it is refused: `code`, `name`, `message`, `fields`.
pub fn explained(error: &store::Error) -> Map<String, Value> {
    members(store(error))
}

/// The same of a value that is not valid.
pub fn explained_fault(fault: entities::Fault) -> Map<String, Value> {
    members(crate::write::fault(fault))
}

/// The same of what cannot be done.
pub fn unsupported(message: String) -> Map<String, Value> {
    members(Code::Unsupported.answer(message, None))
}

fn members(answer: Answer) -> Map<String, Value> {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// What the store says.
pub(crate) fn store(error: &store::Error) -> Answer {
    match error {
        store::Error::PrimaryKey { id, .. } => primary_key_violation(&id.to_string()),
        store::Error::Unique { fields, .. } => {
            let mut fields = fields.clone();
            // Shown only where it is used, as in the entity itself.
            if fields.get("consumer_group").is_some_and(Value::is_null) {
                fields.shift_remove("consumer_group");
            }
            unique_violation(fields)
        }
        store::Error::Foreign { field, reference, id, .. } => foreign_violation(field, &id.to_string(), reference),
        store::Error::Referenced { entity, by, .. } => still_referenced(entity, by),
        store::Error::Missing { id, .. } => no_such_id(&id.to_string()),
        store::Error::Unavailable(reason) => {
            tracing::error!(reason, "the database failed an Admin API request");
            let mut answer = Code::Database.answer("the database cannot be reached; try again later".to_owned(), None);
            answer.status = 503;
            answer
        }
        store::Error::Full => {
            tracing::error!(error = %error, "the database failed an Admin API request");
            let mut answer = Code::Database.answer(error.to_string(), None);
            answer.status = 507;
            answer
        }
        other => {
            tracing::error!(error = %other, "the store failed an Admin API request");
            Code::Database.answer("an internal error occurred while reading or writing".to_owned(), None)
        }
    }
}
