//! What is known of a kind of entity beyond its fields.

use schema::{Field, Map, OnDelete, Record, Schema, Value};
use std::sync::Arc;

/// A change of a value on its way to the store: the complete value, and what a partial update named (`None` on
/// creation: everything).
pub(crate) type OnWrite = fn(&mut Map<String, Value>, Option<&Map<String, Value>>);

/// The definition of one kind.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Plural name: `services`.
    pub name: &'static str,
    /// Fields of the primary key.
    pub primary_key: &'static [&'static str],
    /// The field that may stand for the id in URLs and references.
    pub endpoint_key: Option<&'static str>,
    /// The fields whose combination identifies an entity besides the primary key.
    pub cache_key: &'static [&'static str],
    /// Combinations of several fields that no two entities of a workspace share; null counts as a value.
    pub unique_together: &'static [&'static [&'static str]],
    /// Whether it belongs to a workspace.
    pub workspaceable: bool,
    /// Whether it may expire: accepts `ttl` in seconds.
    pub ttl: bool,
    /// Path segment at the Admin API when it is not the name.
    pub admin_api_name: Option<&'static str>,
    /// Path segment below the entity it belongs to when it is not the former.
    pub admin_api_nested_name: Option<&'static str>,
    /// Whether the Admin API has collection and item paths for it.
    pub generate_admin_api: bool,
    /// Whether it goes into exports and into declarative files.
    pub db_export: bool,
    /// The field that chooses the subschema.
    pub subschema_key: Option<&'static str>,
    /// The plugin that owns it.
    pub plugin: Option<&'static str>,
    /// Its fields. Of `plugins` and `vaults` without those of the subschema.
    pub record: Arc<Record>,
    /// Always applied before storing.
    pub(crate) normalise: Option<OnWrite>,
    /// Applied before storing unless the configuration says that values are already transformed.
    pub(crate) transform: Option<OnWrite>,
}

impl Entity {
    pub(crate) fn of<T: Schema>(name: &'static str) -> Self {
        Self::new(name, T::record())
    }

    /// A kind that a plugin brings along, with these fields; what is not about fields is set on what this gives.
    pub fn of_plugin(plugin: &'static str, name: &'static str, record: Record) -> Self {
        Self { plugin: Some(plugin), ..Self::new(name, record) }
    }

    pub(crate) fn new(name: &'static str, record: Record) -> Self {
        Self {
            name,
            primary_key: &["id"],
            endpoint_key: None,
            cache_key: &[],
            unique_together: &[],
            workspaceable: false,
            ttl: false,
            admin_api_name: None,
            admin_api_nested_name: None,
            generate_admin_api: true,
            db_export: true,
            subschema_key: None,
            plugin: None,
            record: Arc::new(record),
            normalise: None,
            transform: None,
        }
    }

    /// Path segment of its collection at the Admin API.
    pub fn path(&self) -> &'static str {
        self.admin_api_name.unwrap_or(self.name)
    }

    /// Path segment of its collection below the entity it belongs to: `/consumers/{c}/key-auth`.
    pub fn nested_path(&self) -> &'static str {
        self.admin_api_nested_name.unwrap_or_else(|| self.path())
    }

    /// Its foreign fields: name, the other entity, what that one's deletion does (`None`: it is refused).
    pub fn references(&self) -> impl Iterator<Item = (&str, &str, Option<OnDelete>)> {
        self.record.fields().iter().filter_map(|field| {
            let (entity, on_delete) = field.reference_to()?;
            Some((field.name(), entity, on_delete))
        })
    }

    /// The fields that are unique by themselves.
    pub fn unique_fields(&self) -> impl Iterator<Item = &Field> {
        self.record.fields().iter().filter(|field| field.is_unique())
    }

    /// Whether values are transformed before they are stored: secrets hashed, digests made.
    pub fn transforms(&self) -> bool {
        self.transform.is_some()
    }

    /// Whether it is a credential: belongs to a plugin and to a Consumer.
    pub fn is_credential(&self) -> bool {
        self.plugin.is_some() && self.record.get("consumer").is_some_and(Field::is_required)
    }
}
