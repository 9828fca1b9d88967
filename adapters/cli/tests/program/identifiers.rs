//! What the program takes for an identifier if it is given none.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::process::{Network, Process, run};

#[test]
fn elements_that_are_given_no_identifier_take_any() {
    let net = Network::new();
    let _registrar = net.registrar(1, &[]);
    let registrar = net.endpoint(1, 3863);
    let element = |host| {
        let listen = net.endpoint(host, 7000);
        let arguments =
            ["element", "--pool", "pool", "--serve", "echo", "--listen", &listen, "--registrar", &registrar];
        let mut process = Process::start(&arguments);
        process.wait_for("registered\"");
        process
    };
    let _elements: Vec<Process> = (11..15).map(element).collect();
    let ended = run(&["resolve", "pool", "--registrar", &registrar, "--json"]);
    let id = |line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> = ended.stdout.lines().map(id).collect();
    assert_eq!(ids.len(), 4, "{ended:?}");
    // Nor are they counted up.
    let first: BTreeSet<&str> = ids.iter().map(|id| &id[..4]).collect();
    assert!(first.len() > 1, "{ended:?}");
}
