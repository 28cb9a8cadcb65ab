//! `plugin test`: runs the cases of a plugin in a folder against a gateway of its own.

mod case;
mod gateway;

use super::Failure;
use case::{Cases, Set};
use gateway::Gateway;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names that the file of cases may have, in the plugin's folder.
const FILES: [&str; 3] = ["cases.yaml", "cases.yml", "cases.json"];

/// Runs the cases of the plugin in a folder, `…/kong/plugins/<name>`, or those of a file.
///
/// # Errors
/// Where the plugin cannot be loaded, the cases cannot be read, or one of them fails.
pub fn test(folder: &Path, cases: Option<PathBuf>) -> Result<(), Failure> {
    let folder = folder.canonicalize().map_err(|error| Failure(format!("{}: {error}", folder.display())))?;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let root = folder.ancestors().nth(3).filter(|root| root.join("kong/plugins").join(&name) == folder);
    let Some(root) = root else {
        return Err(Failure(format!("{}: expected a plugin's folder, …/kong/plugins/<name>", folder.display())));
    };
    let found = || FILES.iter().map(|file| folder.join(file)).find(|file| file.is_file());
    let Some(file) = cases.or_else(found) else {
        return Err(Failure(format!("{}: there is no {}", folder.display(), FILES[0])));
    };
    let Set { settings, cases } = read(&file)?;
    let failed = actix_rt::System::new().block_on(async {
        let gateway = Gateway::start(root, &name, &settings).await?;
        let mut failed = 0;
        for (index, case) in cases.iter().enumerate() {
            let number = index + 1;
            let (response, request) =
                gateway.run(&name, case).await.map_err(|error| format!("case {number}: {error}"))?;
            let differences = case.differences(&response, request.as_ref());
            let shown = if case.name.is_empty() { String::new() } else { format!(" ({})", case.name) };
            failed += usize::from(!differences.is_empty());
            for difference in differences {
                println!("case {number}{shown}: {difference}");
            }
        }
        if failed > 0 {
            print!("{}", gateway.errors());
        }
        Ok::<_, String>(failed)
    })?;
    println!("{} passed, {failed} failed", cases.len() - failed);
    if failed > 0 { Err(Failure(format!("{failed} of {} cases failed", cases.len()))) } else { Ok(()) }
}

fn read(file: &Path) -> Result<Set, Failure> {
    let at = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| at(&error))?;
    let value = declarative::parse(&text).map_err(|invalid| at(&invalid.tree()))?;
    // Said by the form that was meant, not by both.
    let read = match value.is_array() {
        true => serde_json::from_value(value).map(Cases::List),
        false => serde_json::from_value(value).map(Cases::Set),
    };
    match read.map_err(|error| at(&error))? {
        Cases::List(cases) => Ok(Set { settings: BTreeMap::new(), cases }),
        Cases::Set(set) => Ok(set),
    }
}
