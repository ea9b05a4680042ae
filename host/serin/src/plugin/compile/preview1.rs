//! What Go's run-time library asks of WASI, answered within the component, so that it imports nothing.
//!
//! It needs an answer to start, and asks for the time again whenever it collects garbage; it may do that while the host
//! puts something into its memory, when a component must not call out.
//! See <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md>.

use anyhow::{Context, Result, bail};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    InstructionSink, MemArg, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::{FuncType, Parser, Payload, TypeRef};

/// The name of WASI's module.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// `errno::badf`: there is no file.
const BAD_FILE: i32 = 8;

/// A time that is not none: Go does not start at 0.
const TIME: i64 = 1;

/// A module with those functions of WASI that `module` imports, which do nothing.
///
/// # Errors
/// If `module` is none, or imports what WASI has not.
pub(super) fn adapter(module: &[u8]) -> Result<Vec<u8>> {
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    for (index, (name, signature)) in (0..).zip(imports(module)?) {
        let parameters = val_types(signature.params())?;
        let results = val_types(signature.results())?;
        let mut function = Function::new([]);
        let returned = body(name, &mut function.instructions());
        match (results.as_slice(), returned) {
            ([], None) => {}
            ([ValType::I32], Some(errno)) => {
                function.instructions().i32_const(errno);
            }
            _ => bail!("{name} of {MODULE} does not return what it returns in WASI"),
        }
        function.instructions().end();
        types.ty().function(parameters, results);
        functions.function(index);
        exports.export(name, ExportKind::Func, index);
        code.function(&function);
    }
    let mut adapter = Module::new();
    adapter.section(&types).section(&memory()).section(&functions).section(&exports).section(&code);
    Ok(adapter.finish())
}

/// The functions of WASI that a module imports, each once.
fn imports(module: &[u8]) -> Result<Vec<(&str, FuncType)>> {
    let (mut types, mut found) = (Vec::new(), Vec::<(&str, FuncType)>::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                types = section.into_iter_err_on_gc_types().collect::<Result<Vec<_>, _>>()?;
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let TypeRef::Func(index) = import.ty else { continue };
                    let known = found.iter().any(|(name, _)| *name == import.name);
                    if import.module == MODULE && !known {
                        let signature = types.get(index as usize).context("an import without a type")?;
                        found.push((import.name, signature.clone()));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The memory of the module that is adapted.
fn memory() -> ImportSection {
    let any = MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    let mut imports = ImportSection::new();
    imports.import("env", "memory", EntityType::Memory(any));
    imports
}

/// Writes what a function does; gives the error number that it returns, if it returns at all.
fn body(name: &str, code: &mut InstructionSink<'_>) -> Option<i32> {
    let at = |align| MemArg { offset: 0, align, memory_index: 0 };
    match name {
        "proc_exit" => {
            code.unreachable();
            None
        }
        "clock_time_get" => {
            code.local_get(2).i64_const(TIME).i64_store(at(3));
            Some(0)
        }
        // How many there are, and how many bytes they take.
        "args_sizes_get" | "environ_sizes_get" => {
            code.local_get(0).i32_const(0).i32_store(at(2));
            code.local_get(1).i32_const(0).i32_store(at(2));
            Some(0)
        }
        // Go gives up if it can't write that it gives up.
        "args_get" | "environ_get" | "random_get" | "sched_yield" | "poll_oneoff" | "fd_write" => Some(0),
        _ => Some(BAD_FILE),
    }
}

fn val_types(types: &[wasmparser::ValType]) -> Result<Vec<ValType>> {
    let convert = |ty: &wasmparser::ValType| match ty {
        wasmparser::ValType::I32 => Ok(ValType::I32),
        wasmparser::ValType::I64 => Ok(ValType::I64),
        _ => bail!("a function of {MODULE} with other values than integers"),
    };
    types.iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A module that imports these functions, all of the same type.
    fn importing(names: &[(&str, &str)], parameters: usize, results: usize) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function(vec![ValType::I32; parameters], vec![ValType::I32; results]);
        let mut imports = ImportSection::new();
        for (module, name) in names {
            imports.import(module, name, EntityType::Function(0));
        }
        let mut module = Module::new();
        module.section(&types).section(&imports);
        module.finish()
    }

    #[test]
    fn what_is_imported_is_there_once_and_asks_for_memory_alone() {
        let names = [(MODULE, "fd_write"), ("other", "f"), (MODULE, "args_sizes_get"), (MODULE, "fd_write")];
        let adapter = adapter(&importing(&names, 4, 1)).unwrap();
        wasmparser::validate(&adapter).unwrap();
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(&adapter) {
            match payload.unwrap() {
                Payload::ImportSection(section) => {
                    imports.extend(section.into_imports().map(|import| import.unwrap().name));
                }
                Payload::ExportSection(section) => {
                    exports.extend(section.into_iter().map(|export| export.unwrap().name));
                }
                _ => {}
            }
        }
        assert_eq!((imports, exports), (vec!["memory"], vec!["fd_write", "args_sizes_get"]));
    }

    #[test]
    fn a_function_of_another_type_is_refused() {
        let error = adapter(&importing(&[(MODULE, "fd_write")], 4, 0)).unwrap_err().to_string();
        assert!(error.contains("fd_write"), "{error}");
    }
}
