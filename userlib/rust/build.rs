// SPDX-License-Identifier: LGPL-2.1-or-later
//! Where libnumapin is: in the folder that NUMAPIN_LIB_DIR names, or where pkg-config says,
//! or else where the linker looks.

use std::env;
use std::ffi::OsString;
use std::process::Command;

fn pkg_config() -> String {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| OsString::from("pkg-config"));

    match Command::new(program).args(["--libs-only-L", "numapin"]).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into(),
        _ => String::new(),
    }
}

fn main() {
    let words = match env::var("NUMAPIN_LIB_DIR") {
        Ok(folder) => format!("-L{folder}"),
        Err(_) => pkg_config(),
    };

    for folder in words.split_whitespace().filter_map(|word| word.strip_prefix("-L")) {
        println!("cargo:rustc-link-search=native={folder}");
    }
    println!("cargo:rustc-link-lib=numapin");
    println!("cargo:rerun-if-changed=build.rs");
    for name in ["NUMAPIN_LIB_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
}
