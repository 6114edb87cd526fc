//! Tells cargo that the standard library is part of the compiler.

fn main() {
    println!("cargo:rerun-if-changed=../stdlib");
}
