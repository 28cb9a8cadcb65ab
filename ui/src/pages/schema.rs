//! Descriptions for the pages that need them.

use serde_json::json;

use crate::api::Failure;
use crate::entities::EntityKind;
use crate::form::{Field, fields, find, plugin_fields};
use crate::page::encode;
use crate::state::Gateway;

/// The fields of a kind; of a plugin, with what that plugin says of them.
pub async fn describe(gateway: Gateway, kind: &EntityKind, plugin: Option<&str>) -> Result<Vec<Field>, Failure> {
    // With the fields that Kong does not have.
    let all = gateway.get(&format!("schemas/{}?beyond_kong=1", kind.key)).await?;
    match plugin {
        None => {
            let mut list = fields(&all);
            list.retain(|field| kind.only.is_empty() || kind.only.contains(&field.name.as_str()));
            for field in &mut list {
                // What is stored is another thing than what is given.
                if kind.key == "rbac_users" && field.name == "user_token" {
                    field.help =
                        Some(t!("Sent with each request, in the header Kong-Admin-Token. Never shown again.").into());
                    field.secret = true;
                }
            }
            Ok(list)
        }
        Some(name) => {
            let own = gateway.get(&format!("schemas/plugins/{}", encode(name))).await?;
            let mut list = plugin_fields(&all, &own);
            // Descriptions are those of Kong's free edition, which has no such groups. A plugin that cannot act on one is
            // refused by the server.
            if gateway.has_database() && find(&list, "consumer_group").is_none() {
                let description = json!({ "type": "foreign", "reference": "consumer_groups" });
                let at = list.iter().position(|field| field.name == "enabled").unwrap_or(list.len());
                list.insert(at, Field::read("consumer_group", &description));
            }
            Ok(list)
        }
    }
}
