//! Creates a certificate authority and a certificate for `localhost` with the `openssl` program.

use std::process::Command;

use crate::folder::Folder;

/// Creates `ca.pem`, `certificate.pem`, `key.pem`, and `both.pem` with certificate and key.
pub(crate) fn make(folder: &Folder) {
    folder.write(
        "leaf.ext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    );
    let curve = "ec_paramgen_curve:prime256v1";
    let new_key = ["-newkey", "ec", "-pkeyopt", curve, "-nodes", "-batch"];
    let ca = [
        "req",
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=campanile tests",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    openssl(folder, &[&ca, new_key.as_slice()].concat());
    let request = [
        "req",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "key.pem",
        "-out",
        "request.pem",
    ];
    openssl(folder, &[&request, new_key.as_slice()].concat());
    let issuer = [
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
    ];
    let leaf = [
        "-days",
        "2",
        "-extfile",
        "leaf.ext",
        "-out",
        "certificate.pem",
    ];
    openssl(folder, &[issuer.as_slice(), &leaf].concat());
    let both = ["certificate.pem", "key.pem"].map(|name| {
        std::fs::read_to_string(folder.path().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    folder.write("both.pem", &both.concat());
}

fn openssl(folder: &Folder, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder.path())
        .output();
    let output = output.unwrap_or_else(|error| panic!("cannot run openssl: {error}; install it"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {words}");
}
