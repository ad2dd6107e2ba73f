//! Takes out of a module what Envoy has no use for.
//!
//! rustc's linker exports two globals and keeps custom sections. A shorter list of exports is also a promise: Envoy
//! calls each callback that it finds, and the tests hold that there are no others.

use anyhow::{Result, ensure};
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload};

/// The exports that stay, every one of which has to be there.
pub const EXPORTS: [&str; 6] = [
    "memory",
    "malloc",
    "proxy_abi_version_0_2_1",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_request_headers",
];

/// The callback of the filters that are network filters too.
pub const OF_CONNECTIONS: &str = "proxy_on_new_connection";

/// The module without other exports and without custom sections.
pub fn strip(module: &[u8]) -> Result<Vec<u8>> {
    let mut stripped = Module::new();
    let mut kept = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::CustomSection(_) => {}
            Payload::ExportSection(exports) => {
                let mut section = ExportSection::new();
                for export in exports.clone() {
                    let export = export?;
                    if !EXPORTS.contains(&export.name) && export.name != OF_CONNECTIONS {
                        continue;
                    }
                    let kind = match export.kind {
                        ExternalKind::Memory => ExportKind::Memory,
                        _ => ExportKind::Func,
                    };
                    section.export(export.name, kind, export.index);
                    kept.push(export.name);
                }
                stripped.section(&section);
            }
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    let data = module.get(range).unwrap_or_default();
                    stripped.section(&RawSection { id, data });
                }
            }
        }
    }
    for name in EXPORTS {
        ensure!(kept.contains(&name), "the module does not export `{name}`");
    }
    Ok(stripped.finish())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, CustomSection, Function, FunctionSection, MemorySection, MemoryType,
        TypeSection,
    };

    use super::*;

    fn module(exports: &[&str]) -> Vec<u8> {
        let mut module = Module::new();
        let mut types = TypeSection::new();
        types.ty().function([], []);
        module.section(&types);
        module.section(FunctionSection::new().function(0));
        module.section(MemorySection::new().memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        }));
        let mut section = ExportSection::new();
        for &name in exports {
            let kind = match name {
                "memory" => ExportKind::Memory,
                _ => ExportKind::Func,
            };
            section.export(name, kind, 0);
        }
        module.section(&section);
        let mut function = Function::new([]);
        function.instructions().end();
        module.section(CodeSection::new().function(&function));
        module.section(&CustomSection {
            name: "producers".into(),
            data: [0].as_slice().into(),
        });
        module.finish()
    }

    #[test]
    fn only_what_the_abi_needs_stays() {
        let more = [&EXPORTS[..], &["proxy_on_log"]].concat();
        let stripped = strip(&module(&more)).unwrap();
        assert!(stripped.len() < module(&EXPORTS).len());
        let exports: Vec<_> = Parser::new(0)
            .parse_all(&stripped)
            .filter_map(|payload| match payload.unwrap() {
                Payload::ExportSection(exports) => Some(exports),
                _ => None,
            })
            .flatten()
            .map(|export| export.unwrap().name)
            .collect();
        assert_eq!(exports, EXPORTS);
        assert_eq!(strip(&stripped).unwrap(), stripped);
    }

    #[test]
    fn a_module_without_a_callback_is_refused() {
        let error = strip(&module(&EXPORTS[..5])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the module does not export `proxy_on_request_headers`"
        );
        assert!(strip(b"no module").is_err());
    }
}
