//! What was measured, as tables for people or as a line of JSON a figure.

/// How fast a server answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) server: &'static str,
    pub(crate) adapter: &'static str,
    pub(crate) associations: usize,
    /// The last answer.
    pub(crate) answer: Vec<u8>,
    /// Answers a second.
    pub(crate) rate: f64,
    /// Microseconds of the server's processor time an answer, in user mode and in all.
    pub(crate) user: f64,
    pub(crate) all: f64,
    /// Microseconds to half, 99 % and 99.9 % of the answers, at half the rate.
    pub(crate) percentiles: [u32; 3],
}

/// All figures.
pub(crate) struct Report {
    json: bool,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: Row) {
        let Row { what, server, adapter, associations, rate, user, all, .. } = row;
        let ([p50, p99, p999], length) = (row.percentiles, row.answer.len());
        if self.json {
            println!(
                "{{\"what\":\"{what}\",\"server\":\"{server}\",\"adapter\":\"{adapter}\",\"associations\":{associations},\
                 \"octets\":{length},\"rate\":{rate:.0},\"user_us\":{user:.2},\"processor_us\":{all:.2},\
                 \"half_load_p50_us\":{p50},\"half_load_p99_us\":{p99},\"half_load_p999_us\":{p999}}}"
            );
        } else {
            if self.rows.is_empty() {
                println!(
                    "| what | associations | server | adapter | a second | user mode, µs | in all, µs | half load: p50, µs | p99, µs | p99.9, µs |"
                );
                println!("|---|---|---|---|---|---|---|---|---|---|");
            }
            println!(
                "| {what} | {associations} | {server} | {adapter} | {rate:.0} | {user:.2} | {all:.2} | {p50} | {p99} | {p999} |"
            );
        }
        self.rows.push(row);
    }

    /// One number, of so many.
    pub(crate) fn figure(&self, name: &str, count: usize, value: f64) {
        if self.json {
            println!("{{\"figure\":\"{name}\",\"count\":{count},\"value\":{value:.2}}}");
        } else {
            println!("{name} ({count}): {value:.1}");
        }
    }

    /// One number after the other.
    pub(crate) fn series(&self, name: &str, values: impl Iterator<Item = u64>) {
        let values: Vec<String> = values.map(|value| value.to_string()).collect();
        if self.json {
            println!("{{\"series\":\"{name}\",\"values\":[{}]}}", values.join(","));
        } else {
            println!("{name}: {}", values.join(" "));
        }
    }
}
