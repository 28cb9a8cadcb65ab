//! `cargo xtask ui`: the manager as files that a server can give out, in `ui/dist`.

use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions, StyleSheet};
use lightningcss::targets::{Browsers, Targets};
use wasm_bindgen_cli_support::Bindgen;

use crate::texts;

const TARGET: &str = "wasm32-unknown-unknown";
/// All files together, as browsers load them.
const MOST_KILOBYTES: usize = 400;

/// Which build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Small, and not larger than allowed.
    Release,
    /// Quick to make.
    Dev,
}

type Failure = Box<dyn std::error::Error>;

/// Builds it and says how large it is.
pub fn build(build: Build) -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let ui = root.join("ui");
    let wasm = compile(&root, build)?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&wasm).web(true)?.typescript(false).omit_default_module_path(true);
    let release = build == Build::Release;
    bindgen.remove_name_section(release).remove_producers_section(release).keep_debug(!release);
    let mut output = bindgen.generate_output()?;
    if !output.local_modules().is_empty() {
        return Err("a dependency brings JavaScript files of its own: they would have to be served as well".into());
    }

    let dist = ui.join("dist");
    clean(&dist)?;
    let mut files = Files { dist: dist.clone(), written: Vec::new() };
    let css = files.add("manager", "css", stylesheet(&ui.join("styles"))?.as_bytes())?;
    let icon = files.add("icon", "svg", &fs::read(ui.join("favicon.svg"))?)?;
    let wasm = files.add("manager", "wasm", &output.wasm_mut().emit_wasm())?;
    let name = wasm.rsplit('/').next().unwrap_or_default();
    // No script may stand in the page, so the module starts itself.
    let start = format!("\n__wbg_init({{ module_or_path: new URL('{name}', import.meta.url) }});\n");
    let mut script = output.js().to_owned() + &start;
    for (library, snippets) in output.snippets() {
        for (number, snippet) in snippets.iter().enumerate() {
            let file = files.add("snippet", "js", snippet.as_bytes())?;
            let file = file.rsplit('/').next().unwrap_or_default();
            script = script.replace(&format!("./snippets/{library}/inline{number}.js"), &format!("./{file}"));
        }
    }
    let js = files.add("manager", "js", script.as_bytes())?;
    let mut locales = String::new();
    for (tag, content) in texts::locales(&ui)? {
        // Beside what is bounded: a browser loads one of them.
        let name = files.write(tag, "json", content.as_bytes())?.0;
        locales +=
            &format!("    <link rel=\"alternate\" type=\"application/json\" hreflang=\"{tag}\" href=\"{name}\">\n");
    }
    let page = fs::read_to_string(ui.join("index.html"))?
        .replace("{{css}}", &css)
        .replace("{{icon}}", &icon)
        .replace("{{wasm}}", &wasm)
        .replace("{{js}}", &js)
        .replace("{{locales}}", &locales);
    // Not compressed beside itself: the server writes the base path into it.
    fs::write(dist.join("index.html"), &page)?;
    files.written.push(("index.html".to_owned(), page.len(), page.len(), page.len()));
    files.report(release)
}

fn compile(root: &Path, build: Build) -> Result<PathBuf, Failure> {
    let profile = if build == Build::Release { "ui" } else { "dev" };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--package", "ui", "--target", TARGET, "--profile", profile])
        .current_dir(root)
        .status()?;
    if !status.success() {
        return Err(format!("the manager does not compile; is its target there? `rustup target add {TARGET}`").into());
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let folder = if build == Build::Release { "ui" } else { "debug" };
    Ok(target.join(TARGET).join(folder).join("ui.wasm"))
}

/// All style sheets as one: nesting and `light-dark()` written out where browsers of the last two years need it.
fn stylesheet(folder: &Path) -> Result<String, Failure> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "css"));
    paths.sort();
    let mut source = String::new();
    for path in paths {
        source += &fs::read_to_string(path)?;
    }
    let version = |major: u32| Some(major << 16);
    let browsers = Browsers {
        chrome: version(123),
        firefox: version(120),
        safari: Some(17 << 16 | 5 << 8),
        ..Browsers::default()
    };
    let targets = Targets::from(browsers);
    let mut sheet = StyleSheet::parse(&source, ParserOptions::default()).map_err(|error| error.to_string())?;
    sheet.minify(MinifyOptions { targets, ..MinifyOptions::default() }).map_err(|error| error.to_string())?;
    let options = PrinterOptions { minify: true, targets, ..PrinterOptions::default() };
    Ok(sheet.to_css(options).map_err(|error| error.to_string())?.code)
}

/// Empties the folder but for what git keeps in it.
fn clean(dist: &Path) -> io::Result<()> {
    fs::create_dir_all(dist)?;
    for entry in fs::read_dir(dist)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else if path.file_name().is_some_and(|name| name != ".gitignore") {
            fs::remove_file(path)?;
        }
    }
    fs::create_dir(dist.join("assets"))
}

/// What was written: name, bytes plain, by gzip, by brotli.
struct Files {
    dist: PathBuf,
    written: Vec<(String, usize, usize, usize)>,
}

impl Files {
    /// Writes a file under a name that changes with its content, and its compressed forms beside it.
    fn add(&mut self, name: &str, extension: &str, content: &[u8]) -> io::Result<String> {
        let (name, plain, gzip, brotli) = self.write(name, extension, content)?;
        self.written.push((name.clone(), plain, gzip, brotli));
        Ok(name)
    }

    /// The same, of a file that does not count among those that every browser loads. Its name, and its bytes.
    fn write(&self, name: &str, extension: &str, content: &[u8]) -> io::Result<(String, usize, usize, usize)> {
        let mut hasher = DefaultHasher::new();
        hasher.write(content);
        let name = format!("assets/{name}-{:016x}.{extension}", hasher.finish());
        let gzip = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(content)?;
            encoder.finish()?
        };
        let brotli = {
            let mut compressed = Vec::new();
            let settings = brotli::enc::BrotliEncoderParams {
                quality: 11,
                lgwin: 24,
                size_hint: content.len(),
                ..Default::default()
            };
            brotli::BrotliCompress(&mut &*content, &mut compressed, &settings)?;
            compressed
        };
        fs::write(self.dist.join(&name), content)?;
        fs::write(self.dist.join(format!("{name}.gz")), &gzip)?;
        fs::write(self.dist.join(format!("{name}.br")), &brotli)?;
        Ok((name, content.len(), gzip.len(), brotli.len()))
    }

    fn report(&self, bounded: bool) -> Result<(), Failure> {
        let kilobytes = |bytes: usize| bytes.div_ceil(1000);
        let line = |name: &str, plain: usize, gzip: usize, brotli: usize| {
            println!(
                "{name:<40} {:>6} kB {:>6} kB gzip {:>6} kB brotli",
                kilobytes(plain),
                kilobytes(gzip),
                kilobytes(brotli)
            );
        };
        for (name, plain, gzip, brotli) in &self.written {
            line(name, *plain, *gzip, *brotli);
        }
        let sum = |of: fn(&(String, usize, usize, usize)) -> usize| self.written.iter().map(of).sum::<usize>();
        let brotli = sum(|file| file.3);
        line("in all", sum(|file| file.1), sum(|file| file.2), brotli);
        if bounded && brotli > MOST_KILOBYTES * 1000 {
            return Err(format!("the manager may have {MOST_KILOBYTES} kB by brotli").into());
        }
        Ok(())
    }
}
