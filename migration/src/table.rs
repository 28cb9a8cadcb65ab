//! The shape of one kind's table.

use sea_orm::DbBackend;

/// The column of the workspace. Records of no workspace have the nil UUID.
pub const WORKSPACE: &str = "ws_id";
/// The column of the moment at which a record ceases to exist, in Unix seconds.
pub const EXPIRES: &str = "ttl_until";
/// The column of everything that has no column of its own, a JSON object.
pub const REST: &str = "other_fields";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A UUID: sixteen bytes on SQLite.
    Uuid,
    /// Text.
    Text,
    /// A signed integer of 64 bits.
    Integer,
    /// A double.
    Number,
    /// A truth value.
    Boolean,
    /// JSON, kept as it was written: text on SQLite, `json` (not `jsonb`, which reorders keys) on PostgreSQL.
    Json,
}

impl Kind {
    /// The type's name in a database.
    pub fn sql(self, backend: DbBackend) -> &'static str {
        let postgres = backend == DbBackend::Postgres;
        match self {
            Kind::Uuid if postgres => "uuid",
            Kind::Uuid => "BLOB",
            Kind::Text if postgres => "text",
            Kind::Text => "TEXT",
            Kind::Integer if postgres => "bigint",
            Kind::Integer => "INTEGER",
            Kind::Number if postgres => "double precision",
            Kind::Number => "REAL",
            Kind::Boolean if postgres => "boolean",
            Kind::Boolean => "BOOLEAN",
            Kind::Json if postgres => "json",
            Kind::Json => "TEXT",
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, that of the field.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// Columns whose combination no two rows share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The columns, without that of the workspace.
    pub columns: Vec<String>,
    /// Whether the workspace is left out of the index.
    pub across_workspaces: bool,
    /// Whether null is a value like others.
    pub nulls: bool,
}

/// A column that points to another table's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The column.
    pub column: String,
    /// The other table.
    pub table: String,
    /// The key column there.
    pub key: String,
}

/// The table of one kind. Besides `key` and `columns` it has [`WORKSPACE`], [`EXPIRES`] and [`REST`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Who the table belongs to: `core`, or the name of a plugin.
    pub namespace: String,
    /// The kind, in the plural.
    pub name: String,
    /// The primary key: [`Kind::Uuid`] or [`Kind::Text`].
    pub key: Column,
    /// The columns of fields, in the order of the definition.
    pub columns: Vec<Column>,
    /// Unique indexes.
    pub unique: Vec<Unique>,
    /// References.
    pub foreign: Vec<Foreign>,
}

impl Table {
    /// The name of the index of a unique rule.
    pub fn unique_name(&self, unique: &Unique) -> String {
        name(&[&self.name, &unique.columns.join("_"), "unique"])
    }

    /// The name of the constraint of a reference.
    pub fn foreign_name(&self, foreign: &Foreign) -> String {
        name(&[&self.name, &foreign.column, "fkey"])
    }

    pub(crate) fn index_name(&self, what: &str) -> String {
        name(&[&self.name, what, "idx"])
    }

    /// The name of the migration that makes the table as it is here.
    pub fn version(&self) -> String {
        format!("{}/{}_{:08x}", self.namespace, self.name, self.fingerprint())
    }

    /// A number that differs between tables of different shape, the same in every process and release.
    fn fingerprint(&self) -> u32 {
        use std::fmt::Write;
        let mut text = format!("{}:{:?}", self.key.name, self.key.kind);
        // The order of columns means nothing to a table that exists.
        let mut columns: Vec<_> =
            self.columns.iter().map(|column| format!("{}:{:?}", column.name, column.kind)).collect();
        columns.sort();
        let mut rules: Vec<_> = self.unique.iter().map(|unique| format!("{unique:?}")).collect();
        rules.extend(self.foreign.iter().map(|foreign| format!("{foreign:?}")));
        rules.sort();
        for part in columns.iter().chain(&rules) {
            let _ = write!(text, "\n{part}");
        }
        fnv(text.as_bytes())
    }
}

/// Joins the parts of an identifier; PostgreSQL cuts names after 63 bytes, so a longer one ends in a hash instead.
fn name(parts: &[&str]) -> String {
    let long = parts.join("_");
    if long.len() <= 60 {
        return long;
    }
    let cut = (0..=50).rev().find(|&index| long.is_char_boundary(index)).unwrap_or(0);
    format!("{}_{:08x}", &long[..cut], fnv(long.as_bytes()))
}

/// FNV-1a, 32 bits.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str]) -> Table {
        Table {
            namespace: "core".into(),
            name: "things".into(),
            key: Column { name: "id".into(), kind: Kind::Uuid },
            columns: columns.iter().map(|name| Column { name: (*name).into(), kind: Kind::Text }).collect(),
            unique: vec![],
            foreign: vec![],
        }
    }

    #[test]
    fn a_fingerprint_follows_columns_and_not_their_order() {
        assert_eq!(table(&["a", "b"]).version(), table(&["b", "a"]).version());
        assert_ne!(table(&["a", "b"]).version(), table(&["a"]).version());
    }

    #[test]
    fn names_fit_and_stay_apart() {
        let unique = |column: &str| Unique { columns: vec![column.repeat(40)], across_workspaces: false, nulls: false };
        let (a, b) = (table(&[]).unique_name(&unique("ab")), table(&[]).unique_name(&unique("ac")));
        assert!(a.len() <= 63 && a != b);
        let (short, shorter) = (table(&[]).unique_name(&unique("é")), "é".repeat(40));
        assert!(short.len() <= 63 && short.starts_with("things_é") && shorter.len() == 80);
    }
}
