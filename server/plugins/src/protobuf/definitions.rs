//! `.proto` files, read and put together.

use prost_reflect::{DescriptorPool, ExtensionDescriptor, FileDescriptor, MethodDescriptor, Value};
use protox::file::{File, FileResolver, GoogleFileResolver};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Folders in which Kong looks for files, in its order; before them stands the name as it is, behind them the folder of
/// the file that was asked for.
const INCLUDES: [&str; 5] = [
    "/usr/local/kong/include",
    "/usr/local/opt/protobuf/include",
    "/usr/include",
    "kong/include",
    "spec/fixtures/grpc",
];

/// Definitions that are there without a file, besides those of `google/protobuf`.
const KNOWN: [(&str, &str); 3] = [
    ("google/api/annotations.proto", include_str!("include/google/api/annotations.proto")),
    ("google/api/http.proto", include_str!("include/google/api/http.proto")),
    ("google/api/httpbody.proto", include_str!("include/google/api/httpbody.proto")),
];

/// The services of a file.
#[derive(Debug)]
pub(crate) struct Definitions {
    methods: Vec<MethodDescriptor>,
    http: Option<ExtensionDescriptor>,
}

impl Definitions {
    /// Reads a file and what it imports. The sentence of an error names the file.
    pub(crate) fn load(name: &str) -> Result<Self, String> {
        let mut compiler = protox::Compiler::with_file_resolver(Folders::of(name));
        let compiled = compiler.include_imports(true).open_file(name);
        if let Err(error) = compiled {
            return Err(format!("failed to load '{name}': {error}"));
        }
        let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice())
            .map_err(|error| format!("failed to load '{name}': {error}"))?;
        let mut methods = Vec::new();
        if let Some(file) = pool.get_file_by_name(name) {
            collect(&file, &mut methods);
        }
        Ok(Self { methods, http: pool.get_extension_by_name("google.api.http") })
    }

    /// Every method of the file and of those that it imports publicly, the imported ones first.
    pub(crate) fn methods(&self) -> &[MethodDescriptor] {
        &self.methods
    }

    /// The method's `google.api.http` option, its own binding first and then the additional ones: HTTP method in lower
    /// case, path template, `body`.
    pub(crate) fn bindings(&self, method: &MethodDescriptor) -> Vec<(&'static str, String, Option<String>)> {
        let options = method.options();
        let Some(http) = self.http.as_ref().filter(|http| options.has_extension(http)) else { return Vec::new() };
        let rule = options.get_extension(http);
        let Some(rule) = rule.as_message() else { return Vec::new() };
        let additional = rule.get_field_by_name("additional_bindings");
        let additional = additional.as_deref().and_then(Value::as_list).unwrap_or_default();
        std::iter::once(rule)
            .chain(additional.iter().filter_map(Value::as_message))
            .filter_map(|rule| {
                let text = |name: &str| {
                    let value = rule.get_field_by_name(name)?;
                    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
                };
                ["get", "put", "post", "delete", "patch"]
                    .into_iter()
                    .find_map(|method| Some((method, text(method)?, text("body"))))
            })
            .collect()
    }
}

fn collect(file: &FileDescriptor, methods: &mut Vec<MethodDescriptor>) {
    for imported in file.public_dependencies() {
        collect(&imported, methods);
    }
    for service in file.services() {
        methods.extend(service.methods());
    }
}

/// The path of a method's calls: `/package.Service/Method`.
pub(crate) fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Where files are looked for.
struct Folders {
    folders: Vec<PathBuf>,
    google: GoogleFileResolver,
}

impl Folders {
    fn of(name: &str) -> Self {
        let own = Path::new(name).parent().map(Path::to_path_buf);
        let folders = std::iter::once(PathBuf::new()).chain(INCLUDES.iter().map(PathBuf::from)).chain(own).collect();
        Self { folders, google: GoogleFileResolver::new() }
    }
}

impl FileResolver for Folders {
    /// A file goes by the name it was asked for by.
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        for folder in &self.folders {
            match std::fs::read_to_string(folder.join(name)) {
                Ok(source) => return File::from_source(name, &source),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => return Err(protox::Error::new(error)),
            }
        }
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, source)) => File::from_source(name, source),
            None => self.google.open_file(name),
        }
    }
}
