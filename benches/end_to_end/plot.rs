//! The rates as bars.

use std::path::Path;

use plotters::prelude::*;

use crate::Error;
use crate::report::{Report, Row};

const COLOURS: [RGBColor; 2] = [RGBColor(0x1f, 0x5f, 0xa8), RGBColor(0xb8, 0xc4, 0xd0)];

/// Draws `docs/end_to_end.svg`.
pub(crate) fn draw(report: &Report) -> Result<(), Error> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/end_to_end.svg");
    let area = SVGBackend::new(&file, (960, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let highest = report.rows.iter().fold(0.0_f64, |most, row| most.max(row.rate)) * 1.15;
    for (what, panel) in ["resolutions", "registrations"].iter().zip(area.split_evenly((1, 2))) {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.what == *what).collect();
        let mut groups: Vec<(usize, &str)> = rows.iter().map(|row| (row.associations, row.adapter)).collect();
        groups.dedup();
        groups.sort_unstable();
        groups.dedup();
        let label = |at: &f64| {
            let group = groups.get(*at as usize).filter(|_| at.fract() == 0.5);
            group.map_or(String::new(), |(associations, adapter)| format!("{associations} {adapter}"))
        };
        let mut chart = ChartBuilder::on(&panel)
            .caption(format!("{what} a second"), ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(34)
            .y_label_area_size(64)
            .build_cartesian_2d((0.0..groups.len() as f64).step(0.5), 0.0..highest)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .x_labels(2 * groups.len() + 1)
            .x_label_formatter(&label)
            .x_desc("associations, adapter")
            .draw()?;
        for (place, (server, colour)) in ["registrar", "echo"].iter().zip(COLOURS).enumerate() {
            let bars = rows.iter().filter(|row| row.server == *server).map(|row| {
                let group =
                    groups.iter().position(|group| *group == (row.associations, row.adapter)).unwrap_or(0) as f64;
                let left = group + 0.15 + 0.35 * place as f64;
                Rectangle::new([(left, 0.0), (left + 0.35, row.rate)], colour.filled())
            });
            chart
                .draw_series(bars)?
                .label(*server)
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
        }
        chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).background_style(WHITE).draw()?;
    }
    area.present()?;
    println!("{}", file.display());
    Ok(())
}
