//! The tables in `docs/conformance/`: their rows are complete, and the tests that they name are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const STATUSES: [&str; 4] = ["done", "done otherwise", "not applicable", "not done"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Row {
    id: String,
    rule: String,
    status: String,
    reason: String,
    tests: Vec<String>,
}

fn tables() -> BTreeMap<String, Vec<Row>> {
    let files = fs::read_dir(root().join("docs/conformance")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.file_stem().unwrap().to_str().unwrap().into(), rows(&file))).collect()
}

fn rows(file: &PathBuf) -> Vec<Row> {
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id\trule\tstatus\treason\ttests"));
    let rows = lines.map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, rule, status, reason, tests] = fields[..] else { panic!("{line}") };
        let tests = tests.split(' ').filter(|test| !test.is_empty()).map(Into::into).collect();
        Row { id: id.into(), rule: rule.into(), status: status.into(), reason: reason.into(), tests }
    });
    rows.collect()
}

#[test]
fn every_rule_has_its_row_once_and_in_order() {
    // How many rules there are, by the words MUST, SHOULD, MAY and their like in the text.
    let rules = [("rfc5352", 161), ("rfc5353", 133), ("rfc5354", 23), ("rfc5356", 31)]
        .map(|(name, rules)| (name.to_string(), rules))
        .into();
    let tables = tables();
    let found: BTreeMap<String, usize> = tables.iter().map(|(name, rows)| (name.clone(), rows.len())).collect();
    assert_eq!(found, rules);
    for (name, rows) in tables {
        let mut last = (String::new(), 0);
        for row in rows {
            let (section, number) = row.id.split_once(" #").unwrap();
            assert!(section.starts_with(&format!("{} §", name.trim_start_matches("rfc"))), "{}", row.id);
            let number: u32 = number.parse().unwrap();
            assert_eq!(number, if section == last.0 { last.1 + 1 } else { 1 }, "{}", row.id);
            last = (section.into(), number);
        }
    }
}

#[test]
fn every_row_says_what_is_done_and_why_not_or_shows_it_by_tests() {
    for row in tables().values().flatten() {
        assert!(!row.rule.is_empty() && STATUSES.contains(&row.status.as_str()), "{}", row.id);
        let is_done = row.status.starts_with("done");
        assert_eq!(is_done, !row.tests.is_empty(), "{}: tests", row.id);
        assert!(row.status == "done" || !row.reason.is_empty(), "{}: the reason", row.id);
    }
}

#[test]
fn every_test_that_a_row_names_is_there() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for row in tables().values().flatten() {
        for test in &row.tests {
            let (file, name) = test.rsplit_once("::").unwrap();
            let path = if file.contains('/') { file.into() } else { format!("tests/conformance/{file}.rs") };
            let text = files.entry(path).or_insert_with_key(|path| {
                fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {path}: {error}", row.id))
            });
            let declaration = format!("fn {name}() {{");
            let at = text.find(&declaration).unwrap_or_else(|| panic!("{}: there is no {test}", row.id));
            assert!(text[..at].trim_end().ends_with("#[test]"), "{}: {test} is no test", row.id);
        }
    }
}

#[test]
fn the_summary_counts_right() {
    let summary = fs::read_to_string(root().join("docs/CONFORMANCE.md")).unwrap();
    for (name, rows) in tables() {
        let counts = STATUSES.map(|status| rows.iter().filter(|row| row.status == status).count().to_string());
        let line = format!("| [{0}](conformance/{0}.tsv) | {1} | {2} |", name, rows.len(), counts.join(" | "));
        assert!(summary.contains(&line), "{line}");
    }
}
