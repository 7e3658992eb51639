//! Parses and validates every shader, and writes down what the host has to know of it: entry points,
//! the bindings that each of them uses, and override constants. A bad shader fails the build. Lists the modules of pages.

use naga::front::wgsl;
use naga::valid::{Capabilities, GlobalUse, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};
use std::error::Error;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rustc-env=FACESHADER_BUILD={:016x}", build_id(&root)?);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root.join("shaders"))?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wgsl"));
    paths.sort();

    let mut table =
        String::from("/// Every shader, in the order of their names.\npub const SHADERS: &[Shader] = &[\n");
    for path in &paths {
        describe(path, &mut table)?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("shaders.rs"), table)?;
    write_modules(&root.join("web"))
}

/// Lists the JavaScript modules of pages, each by its path in `web/` and with its text.
fn write_modules(web: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    // What npm puts there is for the type checker.
    for entry in fs::read_dir(web)?.collect::<Result<Vec<_>, _>>()? {
        if entry.file_name() != "node_modules" {
            println!("cargo::rerun-if-changed={}", entry.path().display());
            files_in(&entry.path(), &mut files)?;
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "js"));
    files.sort();
    let mut list = String::from("const MODULES: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file.strip_prefix(web)?.to_string_lossy().replace('\\', "/");
        writeln!(list, "    ({name:?}, include_str!({:?})),", file.to_string_lossy())?;
    }
    list.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("web_modules.rs"), list)?;
    Ok(())
}

/// A number for all that computes: sources, shaders, the versions of its crates, and how it is compiled.
fn build_id(root: &Path) -> Result<u64, Box<dyn Error>> {
    let mut files = Vec::new();
    for name in ["assets", "build.rs", "Cargo.lock", "Cargo.toml", "shaders", "src"] {
        println!("cargo::rerun-if-changed={name}");
        files_in(&root.join(name), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        (file.strip_prefix(root)?, fs::read(file)?).hash(&mut hasher);
    }
    for variable in ["PROFILE", "OPT_LEVEL", "TARGET", "CARGO_CFG_TARGET_FEATURE", "CARGO_ENCODED_RUSTFLAGS"]
    {
        env::var(variable).unwrap_or_default().hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// A file, or all files in a folder and in those below it. A package may lack some.
fn files_in(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if path.is_file() {
        files.push(path.into());
    } else if path.is_dir() {
        for entry in fs::read_dir(path)? {
            files_in(&entry?.path(), files)?;
        }
    }
    Ok(())
}

/// The text of a shader, in which every line `// include FILE` is replaced by that file, from the same folder: what
/// several shaders share, or what makes one too long to read.
fn whole(shader: &Path, folder: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(shader).map_err(|error| format!("{}: {error}", shader.display()))?;
    let mut source = String::new();
    for line in text.lines() {
        match line.strip_prefix("// include ") {
            Some(part) => source += &whole(&folder.join(part), folder)?,
            None => writeln!(source, "{line}")?,
        }
    }
    Ok(source)
}

/// Appends the description of one shader to the table.
fn describe(path: &Path, table: &mut String) -> Result<(), Box<dyn Error>> {
    let source = whole(path, path.parent().ok_or("a shader lies in no folder")?)?;
    let written = Path::new(&env::var("OUT_DIR")?).join(path.file_name().ok_or("a shader has no name")?);
    fs::write(&written, &source)?;
    let shown = written.display().to_string();
    let module = wgsl::parse_str(&source).map_err(|e| e.emit_to_string_with_path(&source, &shown))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|e| e.emit_to_string_with_path(&source, &shown))?;

    let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a shader's name is not UTF-8")?;
    writeln!(table, "    Shader {{\n        name: {name:?},\n        source: include_str!({shown:?}),")?;
    let overrides: Vec<&str> = module.overrides.iter().filter_map(|(_, o)| o.name.as_deref()).collect();
    writeln!(table, "        constants: &{overrides:?},\n        entry_points: &[")?;
    for (index, entry_point) in module.entry_points.iter().enumerate() {
        let uses = info.get_entry_point(index);
        writeln!(table, "            EntryPoint {{\n                name: {:?},", entry_point.name)?;
        let invocations: u32 = entry_point.workgroup_size.iter().product();
        let used = module.global_variables.iter().filter(|(handle, variable)| {
            variable.space == AddressSpace::WorkGroup && uses[*handle] != GlobalUse::empty()
        });
        let workgroup_bytes: u32 =
            used.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum();
        writeln!(table, "                invocations: {invocations},")?;
        writeln!(table, "                workgroup_bytes: {workgroup_bytes},")?;
        table.push_str("                bindings: &[\n");
        for (handle, variable) in module.global_variables.iter() {
            let is_buffer = !matches!(variable.space, AddressSpace::WorkGroup | AddressSpace::Private);
            if is_buffer && uses[handle] != GlobalUse::empty() {
                let (index, name, access) = binding(variable, &shown)?;
                writeln!(
                    table,
                    "                    Binding {{ index: {index}, name: {name:?}, access: Access::{access} }},"
                )?;
            }
        }
        table.push_str("                ],\n            },\n");
    }
    table.push_str("        ],\n    },\n");
    Ok(())
}

/// A buffer's binding number, its name, and how the shader sees it.
fn binding<'a>(
    variable: &'a naga::GlobalVariable,
    shown: &str,
) -> Result<(u32, &'a str, &'static str), Box<dyn Error>> {
    let name = variable.name.as_deref().ok_or_else(|| format!("{shown}: a buffer has no name"))?;
    let resource = variable.binding.ok_or_else(|| format!("{shown}: {name} has no binding"))?;
    if resource.group != 0 {
        return Err(format!("{shown}: {name} is in group {}; only group 0 is used", resource.group).into());
    }
    let access = match variable.space {
        AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "ReadWrite",
        AddressSpace::Storage { .. } => "Read",
        AddressSpace::Uniform => "Uniform",
        _ => return Err(format!("{shown}: {name} is neither a storage nor a uniform buffer").into()),
    };
    Ok((resource.binding, name, access))
}
