//! Builds the filters and prints the size of each: `scripts/build-wasm.sh` runs it.

use std::path::Path;

use anyhow::Result;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for module in wasm_build::build(&root.canonicalize()?)? {
        let path = module.path.strip_prefix(root.canonicalize()?)?;
        println!("{:>8} bytes  {}", module.bytes.len(), path.display());
    }
    Ok(())
}
