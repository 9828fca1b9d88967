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

/// How many rules there are with the words MUST, SHOULD, MAY and their like in the text.
const WITH_KEY_WORD: [(&str, usize); 4] = [("rfc5352", 161), ("rfc5353", 133), ("rfc5354", 23), ("rfc5356", 31)];

/// How many were found that have none.
const PROSE: [(&str, usize); 4] =
    [("rfc3237-prose", 39), ("rfc5351-prose", 61), ("rfc5352-prose", 230), ("rfc5353-prose", 89)];

#[test]
fn every_rule_has_its_row_once_and_in_order() {
    let rules = [WITH_KEY_WORD, PROSE].concat().into_iter().map(|(name, rules)| (name.to_string(), rules)).collect();
    let tables = tables();
    let found: BTreeMap<String, usize> = tables.iter().map(|(name, rows)| (name.clone(), rows.len())).collect();
    assert_eq!(found, rules);
    for (name, rows) in tables {
        let (rfc, mark) = match name.strip_suffix("-prose") {
            Some(rfc) => (rfc, " p"),
            None => (name.as_str(), " #"),
        };
        let mut last = (Vec::new(), 0);
        for row in rows {
            let (section, number) = row.id.split_once(mark).unwrap();
            let section = section.strip_prefix(&format!("{} §", rfc.trim_start_matches("rfc"))).unwrap();
            let section: Vec<u32> = section.split('.').map(|number| number.parse().unwrap()).collect();
            let number: u32 = number.parse().unwrap();
            assert!(section >= last.0, "{}", row.id);
            assert_eq!(number, if section == last.0 { last.1 + 1 } else { 1 }, "{}", row.id);
            last = (section, number);
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

fn summary() -> String {
    fs::read_to_string(root().join("docs/CONFORMANCE.md")).unwrap()
}

fn counts<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> String {
    let of = |status| rows.clone().filter(|row| row.status == status).count().to_string();
    format!("{} | {}", rows.clone().count(), STATUSES.map(of).join(" | "))
}

#[test]
fn the_summary_counts_right_and_the_two_kinds_of_rules_apart() {
    let (summary, tables) = (summary(), tables());
    for (name, rows) in &tables {
        let line = format!("| [{name}](conformance/{name}.tsv) | {} |", counts(rows.iter()));
        assert!(summary.contains(&line), "{line}");
    }
    for (kind, names) in [("with a key word", WITH_KEY_WORD), ("prose", PROSE)] {
        let line = format!("| all {kind} | {} |", counts(names.iter().flat_map(|(name, _)| &tables[*name])));
        assert!(summary.contains(&line), "{line}");
    }
}

#[test]
fn the_summary_names_what_is_done_otherwise() {
    let summary = summary();
    for (name, rows) in tables() {
        let rfc = name.trim_end_matches("-prose").trim_start_matches("rfc");
        let sections = summary.split("\n## ").map(|section| section.split_once('\n').unwrap_or((section, "")));
        let is_its = |(title, _): &(&str, &str)| title.contains(&format!("RFC {rfc}"));
        let section = sections.filter(is_its).map(|(_, text)| text).next().unwrap_or_default();
        for row in rows.iter().filter(|row| row.status == "done otherwise") {
            let short = row.id.split_once(' ').unwrap().1;
            let is_named = [",", "."].iter().any(|behind| section.contains(&format!("{short}{behind}")));
            assert!(is_named, "{}", row.id);
        }
    }
}
