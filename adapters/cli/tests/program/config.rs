//! Options in a file.

use std::path::PathBuf;

use crate::process::{Network, Process, run};

/// A file that is gone with the test.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rserpool-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_registrar_and_an_element_run_with_all_their_options_in_files() {
    let net = Network::new();
    let [asap, listen] = [net.endpoint(1, 3863), net.endpoint(11, 7000)];
    let registrar = File::new(
        "registrar",
        &format!(
            "# A registrar.\nasap = [\"{asap}\"]\nid = \"abc\"\nannounce = false\n\n[set]\nkeep-alive-interval = \"2s\"\n\
             max-bad-pe-report = 5\n"
        ),
    );
    let element = File::new(
        "element",
        &format!(
            "pool = \"filed\"\nserve = \"echo\"\npolicy = \"prio:7\"\nlife = 600\nregistrar = [\"{asap}\"]\n\
             listen = \"{listen}\"\nid = \"9\"\n"
        ),
    );
    let mut process = Process::start(&["registrar", "--config", registrar.path()]);
    process.wait_for("registrar=0x00000abc");
    process.wait_for("serving\"");
    // The command line counts more.
    let mut other = Process::start(&["element", "--config", element.path(), "--life", "300", "--id=a"]);
    other.wait_for("registered\"");
    let ended = run(&["resolve", "filed", "--registrar", &asap, "--json"]);
    let object: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((object["id"].as_str(), object["life_s"].as_f64()), (Some("0x0000000a"), Some(300.0)));
    assert!(object["policy"].to_string().contains('7'), "{object}");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_line_and_key() {
    for (text, wanted) in [
        ("pool = \"a\"\nserve = \"dance\"\n", ":2: serve: invalid value 'dance'"),
        ("pool = \"a\"\n\nlifetime = 3\n", ":3: element has no option 'lifetime'; it has pool,"),
        ("life = \"long\"\n", ":1: life: invalid value 'long'"),
        ("registrar = \"10.0.0.1\"\n", ":1: registrar: invalid value '10.0.0.1'"),
        ("pool = [\"a\", \"b\"]\n", ":1: pool: there can be one only"),
        ("pool = {}\n", ":1: pool: a value is wanted"),
        ("pool = \"a\"\nserve = \n", ":2: "),
        ("set = 3\n", ":1: 'set' is a table"),
        (
            "pool = \"a\"\nserve = \"echo\"\nregistrar = [\"sctp+udp://127.0.0.1\"]\n[set]\nt9 = \"1s\"\n",
            ":5: t9: there is no such setting",
        ),
        (
            "pool = \"a\"\nserve = \"echo\"\nregistrar = [\"sctp+udp://127.0.0.1\"]\n[set]\nt2-registration = \"soon\"\n",
            ":5: t2-registration=soon: a time",
        ),
    ] {
        let file = File::new("wrong", text);
        let ended = run(&["element", "--config", file.path()]);
        assert_eq!(ended.status, Some(2), "{text}: {ended:?}");
        assert!(ended.stderr.contains(wanted), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(file.path()), "{}", ended.stderr);
    }
    let ended = run(&["element", "--config", "/no/such/file.toml"]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("/no/such/file.toml: No such file"), "{}", ended.stderr);
}
