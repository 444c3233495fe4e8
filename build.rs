//! Makes `dashboard/dist` when the web application has not been built, so that the crate compiles without Node, and
//! has cargo look again when it, or a migration, changes: both become part of the binary.

fn main() -> std::io::Result<()> {
    std::fs::create_dir_all("dashboard/dist")?;
    println!("cargo:rerun-if-changed=dashboard/dist");
    println!("cargo:rerun-if-changed=migrations");
    Ok(())
}
