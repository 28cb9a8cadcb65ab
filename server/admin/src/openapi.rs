//! `GET /openapi.json`: the Admin API as OpenAPI 3.1, made from the same paths and definitions that serve it.

use crate::certificates::described;
use crate::paths::{Endpoint, Listed};
use crate::respond::Answer;
use crate::state::Shared;
use schema::{Field, Kind, Record};
use serde_json::{Map, Value, json};

impl Shared {
    /// `GET /openapi.json`
    pub(crate) fn openapi(&self) -> Answer {
        let mut paths = Map::new();
        for listed in self.admin_paths.described() {
            paths.insert(listed.path.clone(), self.path_item(&listed));
        }
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Silverback Admin API",
                "description": "Compatible with the Admin API of Kong Gateway.",
                "version": schema::KONG_VERSION,
            },
            "paths": paths,
            "components": {"schemas": self.schemas()},
        });
        Answer::json(200, &document)
    }

    /// What entities and errors look like.
    fn schemas(&self) -> Value {
        let mut schemas = Map::new();
        let definitions = self.kinds.definitions();
        let configs: Vec<Value> = definitions
            .plugins()
            .iter()
            .map(|plugin| json!({"$ref": format!("#/components/schemas/plugin.{}", plugin.name)}))
            .collect();
        for plugin in definitions.plugins().iter() {
            schemas.insert(format!("plugin.{}", plugin.name), of_record(&plugin.config, Shape::Shown));
        }
        for (position, kind) in self.kinds.iter().enumerate() {
            let Some(entity) = self.kinds.entity(position).filter(|_| kind.path.is_some()) else { continue };
            let mut shown = of_record(&entity.record, Shape::Shown);
            let mut sent = of_record(&entity.record, Shape::Sent);
            if kind.ttl {
                let ttl = json!({"type": ["integer", "null"], "description": "Seconds until it goes."});
                shown["properties"]["ttl"] = ttl.clone();
                sent["properties"]["ttl"] = ttl;
            }
            for name in described(kind.name) {
                shown["properties"][name] = json!({
                    "description": "What the certificate says of itself; only with `beyond_kong=1`, null where it cannot be read.",
                    "oneOf": [{"$ref": reference("certificate_metadata")}, {"type": "null"}],
                });
            }
            if kind.name == "plugins" && !configs.is_empty() {
                shown["properties"]["config"]["anyOf"] = configs.clone().into();
            }
            let list = json!({
                "type": "object",
                "required": ["data", "next"],
                "properties": {
                    "data": {"type": "array", "items": {"$ref": reference(kind.name)}},
                    "next": {"type": ["string", "null"], "description": "Path of the next page."},
                    "offset": {"type": "string", "description": "Where the next page begins."},
                },
            });
            schemas.insert(kind.name.to_owned(), shown);
            schemas.insert(format!("{}.sent", kind.name), sent);
            schemas.insert(format!("{}.list", kind.name), list);
        }
        schemas.insert("certificate_metadata".to_owned(), metadata_schema());
        schemas.insert("error".to_owned(), error_schema());
        schemas.into()
    }

    fn path_item(&self, listed: &Listed<'_>) -> Value {
        let mut item = Map::new();
        let parameters: Vec<Value> = listed
            .path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), parameters.into());
        }
        for method in listed.methods {
            item.insert(method.to_ascii_lowercase(), self.operation(listed.endpoint, method));
        }
        item.into()
    }

    fn operation(&self, endpoint: &Endpoint, method: &str) -> Value {
        let name = |kind: usize| self.kinds.get(kind).name;
        let (kind, list) = match *endpoint {
            Endpoint::Collection { kind } | Endpoint::Nested { kind, .. } => (Some(kind), method == "GET"),
            Endpoint::AllTargets { kind, .. } => (Some(kind), true),
            Endpoint::Entity { kind } | Endpoint::NestedEntity { kind, .. } => (Some(kind), false),
            Endpoint::Foreign { target, .. } => (Some(target), false),
            _ => (None, false),
        };
        let (status, text) = match method {
            "DELETE" => ("204", "It is gone."),
            "POST" if kind.is_some() => ("201", "It was made."),
            _ => ("200", "What was asked for."),
        };
        let mut answer = json!({"description": text});
        if method != "DELETE" {
            let schema = match kind {
                Some(kind) if list => json!({"$ref": format!("{}.list", reference(name(kind)))}),
                Some(kind) => json!({"$ref": reference(name(kind))}),
                None => json!({"type": "object"}),
            };
            answer["content"] = json!({"application/json": {"schema": schema}});
        }
        let error = json!({"description": "Why not.", "content": {"application/json": {"schema": {"$ref": reference("error")}}}});
        let mut operation = json!({"responses": {status: answer, "default": error}});
        let mut parameters = Vec::new();
        if list {
            parameters.extend([
                json!({"name": "size", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}}),
                json!({"name": "offset", "in": "query", "schema": {"type": "string"}}),
                json!({"name": "tags", "in": "query", "schema": {"type": "string"}}),
            ]);
        }
        if method == "GET" && kind.is_some_and(|kind| described(name(kind)).next().is_some()) {
            let schema = json!({"type": "boolean", "default": false});
            parameters.push(json!({"name": "beyond_kong", "in": "query", "schema": schema}));
        }
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let (Some(kind), "POST" | "PUT" | "PATCH") = (kind, method) {
            // A part of an entity is no entity: what is required of one is not required of the other.
            let schema = match method {
                "PATCH" => json!({"type": "object"}),
                _ => json!({"$ref": format!("{}.sent", reference(name(kind)))}),
            };
            let content: Map<String, Value> =
                ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
                    .map(|form| (form.to_owned(), json!({"schema": schema})))
                    .into_iter()
                    .collect();
            operation["requestBody"] = json!({"content": content});
        }
        if let Some(kind) = kind {
            operation["tags"] = json!([name(kind)]);
        }
        operation
    }
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn metadata_schema() -> Value {
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    let texts = json!({"type": "array", "items": text});
    let members = [
        ("subject", text.clone()),
        ("issuer", text.clone()),
        ("serial_number", text.clone()),
        ("not_before", number.clone()),
        ("expiry", number.clone()),
        ("san_names", texts.clone()),
        ("key_type", text.clone()),
        ("key_size", json!({"type": ["integer", "null"]})),
        ("key_usages", texts),
        ("ca", json!({"type": "boolean"})),
        ("sha256_fingerprint", text),
        ("chain_length", number),
    ];
    json!({
        "type": "object",
        "required": members.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "properties": members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect::<Map<_, _>>(),
    })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["message"],
        "properties": {
            "message": {"type": "string"},
            "code": {"type": "integer"},
            "name": {"type": "string"},
            "fields": {"type": "object"},
            "options": {"type": "object"},
        },
    })
}

/// Which side of a request is described.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Answers: every field is there.
    Shown,
    /// Bodies: what has a default or is made by the gateway may be left out.
    Sent,
}

fn of_record(record: &Record, shape: Shape) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in record.fields() {
        let made = field.default_value().is_some() || field.auto_value().is_some();
        let needed = match shape {
            Shape::Shown => !field.is_transient() && !field.is_beyond(),
            Shape::Sent => field.is_required() && !made && !matches!(field.kind(), Kind::Abstract | Kind::Record(_)),
        };
        if needed {
            required.push(Value::from(field.name()));
        }
        properties.insert(field.name().to_owned(), of_field(field, shape));
    }
    for shorthand in record.shorthands() {
        let mut property = of_field(shorthand.field(), shape);
        property["deprecated"] = true.into();
        properties.insert(shorthand.name().to_owned(), property);
    }
    let mut out = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        out["required"] = required.into();
    }
    if shape == Shape::Sent {
        out["additionalProperties"] = false.into();
    }
    out
}

fn of_field(field: &Field, shape: Shape) -> Value {
    let rules = field.rules();
    let mut out = match field.kind() {
        Kind::Any | Kind::Json(_) => json!({}),
        Kind::String => json!({"type": "string"}),
        Kind::Integer => json!({"type": "integer"}),
        Kind::Number => json!({"type": "number"}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Array(elements) => json!({"type": "array", "items": of_field(elements, shape)}),
        Kind::Set(elements) => json!({"type": "array", "uniqueItems": true, "items": of_field(elements, shape)}),
        Kind::Map { values, .. } => json!({"type": "object", "additionalProperties": of_field(values, shape)}),
        Kind::Record(record) => of_record(record, shape),
        Kind::Foreign { .. } => json!({
            "type": "object",
            "properties": {"id": {"type": "string", "format": "uuid"}},
        }),
        Kind::Abstract => json!({"type": "object"}),
    };
    if rules.uuid {
        out["format"] = "uuid".into();
    }
    if let Some((low, high)) = rules.between {
        for (name, limit) in [("minimum", low), ("maximum", high)] {
            if limit.is_finite() {
                out[name] = limit.into();
            }
        }
    }
    if let Some(values) = &rules.one_of {
        out["enum"] = values.clone().into();
    }
    if let Some(default) = field.default_value() {
        out["default"] = default.clone();
    }
    if !field.help_text().is_empty() {
        out["description"] = field.help_text().into();
    }
    // In a body null stands for the default of what is optional, in an answer for what is unset.
    if !field.is_required() {
        nullable(&mut out);
    }
    out
}

fn nullable(schema: &mut Value) {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
}
