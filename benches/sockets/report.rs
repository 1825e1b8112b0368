//! Tables in Markdown, and the same figures in JSON.

use std::cmp::Ordering;
use std::fmt::Write;

use crate::lab::{Book, Row};
use crate::servers::{Kind, Server};

pub struct Report<'a> {
    pub book: &'a Book,
    pub servers: &'a [&'static Server],
    pub echo: &'a [Row],
    pub idle: &'a [Row],
    pub fan_out: &'a [Row],
}

fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 99.95 => format!("{value:.0}"),
        Some(value) if value >= 9.995 => format!("{value:.1}"),
        Some(value) if value >= 0.0995 || value <= 0.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

impl Report<'_> {
    fn get(&self, table: &'static str, row: &str, measure: &'static str, server: &Server) -> Option<f64> {
        self.book.get(table, row, measure, server.name)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &'static Server> {
        self.servers.iter().copied().filter(move |server| server.kind == kind)
    }

    /// The event-driven server, or the threads if it isn't measured.
    fn ours(&self) -> Option<&'static Server> {
        self.of_kind(Kind::Ours).next()
    }

    fn head(&self, title: &str, first: &str, servers: &[&Server], last: &[&str]) -> String {
        let names = servers.iter().map(|server| server.name);
        let columns: Vec<&str> = std::iter::once(first).chain(names).chain(last.iter().copied()).collect();
        format!("\n### {title}\n\n| {} |\n{}|\n", columns.join(" | "), "|---".repeat(columns.len()))
    }

    /// The two columns at the right: the first of ours to the floor, and to the best rival.
    fn ratios(&self, table: &'static str, row: &str, measure: &'static str) -> String {
        let get = |server: &&Server| self.get(table, row, measure, server);
        let rivals = self.of_kind(Kind::Rival).filter(|rival| get(rival).is_some());
        let best = rivals.min_by(|a, b| get(a).partial_cmp(&get(b)).unwrap_or(Ordering::Equal));
        let ratio = |other: Option<&Server>| {
            let names = [self.ours()?.name, other?.name];
            Some(format!("{:.2}", self.book.ratio(table, row, measure, names)?))
        };
        let column = |other| ratio(other).unwrap_or_else(|| "-".to_owned());
        format!("{} | {}", column(self.of_kind(Kind::Floor).next()), column(best))
    }

    fn line(
        &self,
        table: &'static str,
        row: &str,
        measure: &'static str,
        servers: &[&'static Server],
    ) -> String {
        let figures = servers.iter().map(|server| figure(self.get(table, row, measure, server)));
        figures.collect::<Vec<String>>().join(" | ")
    }

    fn echo_tables(&self, rows: &[&Row]) -> String {
        let ours = self.ours().map_or("talkback", |server| server.name);
        let (to_floor, to_best) = (format!("{ours}: to the floor"), format!("{ours}: to the best rival"));
        let last = ["load, beside the floor", &to_floor, &to_best];
        let title = "Echo: the server's CPU time, µs a message (connections, size, in flight each)";
        let mut text = self.head(title, "row", self.servers, &last);
        for row in rows {
            let figures = self.line("echo", &row.label, "cpu", self.servers);
            let load = self.of_kind(Kind::Floor).next();
            let load = figure(load.and_then(|floor| self.get("echo", &row.label, "load", floor)));
            let ratios = self.ratios("echo", &row.label, "cpu");
            let _ = writeln!(text, "| {} | {figures} | {load} | {ratios} |", row.label);
        }
        text += &self.head("Echo: latency, µs (median / 99 %)", "row", self.servers, &[]);
        for row in rows {
            let figures = self.servers.iter().map(|server| {
                let time = |measure| figure(self.get("echo", &row.label, measure, server));
                format!("{} / {}", time("p50"), time("p99"))
            });
            let figures = figures.collect::<Vec<String>>().join(" | ");
            let _ = writeln!(text, "| {} | {figures} |", row.label);
        }
        text
    }

    fn calls_table(&self, rows: &[&Row]) -> String {
        let title = "Echo: system calls a message (reads / writes / all)";
        let mut text = self.head(title, "row", self.servers, &[]);
        for row in rows {
            let figures = self.servers.iter().map(|server| {
                let calls = |measure| figure(self.get("calls", &row.label, measure, server));
                format!("{} / {} / {}", calls("reads"), calls("writes"), calls("all"))
            });
            let figures = figures.collect::<Vec<String>>().join(" | ");
            let _ = writeln!(text, "| {} | {figures} |", row.label);
        }
        text
    }

    fn idle_table(&self, row: &Row) -> String {
        let title = format!("{} connections", row.connections);
        let mut text =
            self.head(&title, "a connection", self.servers, &["to the floor", "to the best rival"]);
        for (measure, label) in [
            ("opened", "bytes of memory, opened"),
            ("used", "bytes of memory, after messages of 16 B"),
            ("handshake", "CPU µs of the handshake"),
        ] {
            let figures = self.line("idle", &row.label, measure, self.servers);
            let ratios = self.ratios("idle", &row.label, measure);
            let _ = writeln!(text, "| {label} | {figures} | {ratios} |");
        }
        text
    }

    fn fan_out_table(&self) -> String {
        let servers: Vec<&Server> = self.servers.iter().copied().filter(|server| server.broadcasts).collect();
        let title = "Fan-out to 1000: the server's CPU time, µs a delivery (size, messages in flight)";
        let last = ["load, beside the floor", "to the floor", "to the best rival"];
        let mut text = self.head(title, "row", &servers, &last);
        for row in self.fan_out {
            let figures = self.line("fan-out", &row.label, "cpu", &servers);
            let load = self.of_kind(Kind::Floor).next();
            let load = figure(load.and_then(|floor| self.get("fan-out", &row.label, "load", floor)));
            let ratios = self.ratios("fan-out", &row.label, "cpu");
            let _ = writeln!(text, "| {} | {figures} | {load} | {ratios} |", row.label);
        }
        text
    }

    pub fn tables(&self) -> String {
        let mut text = String::new();
        let echo: Vec<&Row> = self.echo.iter().chain(self.idle).collect();
        if !echo.is_empty() {
            text += &self.echo_tables(&echo);
        }
        let counted: Vec<&Row> = echo.into_iter().filter(|row| self.was_counted(row)).collect();
        if !counted.is_empty() {
            text += &self.calls_table(&counted);
        }
        for row in self.idle {
            text += &self.idle_table(row);
        }
        if !self.fan_out.is_empty() {
            text += &self.fan_out_table();
        }
        text
    }

    fn was_counted(&self, row: &Row) -> bool {
        self.servers.iter().any(|server| self.get("calls", &row.label, "all", server).is_some())
    }

    /// `{"servers": [{"name", "kind"}], "rows": [{"table", "row", "measure", "values": {server: figure}}]}`
    pub fn json(&self) -> String {
        let servers = self.servers.iter().map(|server| {
            let kind = match server.kind {
                Kind::Raw => "raw",
                Kind::Floor => "floor",
                Kind::Rival => "rival",
                Kind::Ours | Kind::Variant => "ours",
            };
            format!("    {{\"name\": \"{}\", \"kind\": \"{kind}\"}}", server.name)
        });
        let servers = servers.collect::<Vec<String>>().join(",\n");
        let mut rows = Vec::new();
        let window: &[&'static str] = &["cpu", "load", "busy", "p50", "p99", "rate"];
        let tables: [(&'static str, Vec<&Row>, &[&'static str]); 4] = [
            ("echo", self.echo.iter().chain(self.idle).collect(), window),
            ("calls", self.echo.iter().collect(), &["reads", "writes", "all"]),
            ("idle", self.idle.iter().collect(), &["opened", "used", "handshake"]),
            ("fan-out", self.fan_out.iter().collect(), window),
        ];
        for (table, of_table, measures) in tables {
            for (row, measure) in
                of_table.iter().flat_map(|row| measures.iter().map(move |measure| (row, measure)))
            {
                let values = self.servers.iter().filter_map(|server| {
                    let value = self.get(table, &row.label, measure, server)?;
                    Some(format!("\"{}\": {value:.4}", server.name))
                });
                let values = values.collect::<Vec<String>>().join(", ");
                if !values.is_empty() {
                    let label = &row.label;
                    rows.push(format!(
                        "    {{\"table\": \"{table}\", \"row\": \"{label}\", \"measure\": \"{measure}\", \
                         \"values\": {{{values}}}}}"
                    ));
                }
            }
        }
        format!("{{\n  \"servers\": [\n{servers}\n  ],\n  \"rows\": [\n{}\n  ]\n}}\n", rows.join(",\n"))
    }
}
