//! Files get new names when the manager is built again: what embeds them has to look again.

fn main() {
    println!("cargo:rerun-if-changed=../../ui/dist");
}
