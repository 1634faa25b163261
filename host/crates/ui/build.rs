//! Where the pages were not built, one page stands in their place that says how to.

use std::{fs, io, path::Path};

const MISSING: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <link rel=\"icon\" href=\"data:,\">\n<title>PowerFlow</title>\n\
    <h1>PowerFlow</h1>\n<p>The pages of this program were not built: <code>cargo xtask ui</code> \
    builds them, and the program has to be built after it. The API is there: \
    <a href=\"/docs/api/\">/docs/api</a>.</p>\n";

fn main() -> io::Result<()> {
    let dist = Path::new("../../ui/dist");
    let page = dist.join("index.html");
    if !page.exists() {
        fs::create_dir_all(dist)?;
        fs::write(&page, MISSING)?;
    }
    println!("cargo::rerun-if-changed=../../ui/dist");
    Ok(())
}
