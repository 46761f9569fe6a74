//! What a piece of work costs: nanoseconds, the best of many rounds, and instructions where
//! valgrind is installed.

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// One row of the table: a name, and what makes the work, which is done again and again.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) make: Box<dyn Fn() -> Work>,
}

pub(crate) type Work = Box<dyn FnMut()>;

impl Case {
    pub(crate) fn new(name: impl Into<String>, make: impl Fn() -> Work + 'static) -> Self {
        Self {
            name: name.into(),
            make: Box::new(make),
        }
    }
}

/// Prints the table. Under valgrind, called by itself: one case, so many times.
pub(crate) fn table(cases: &[Case]) {
    let arguments: Vec<String> = env::args().collect();
    if let [_, only, name, times] = &arguments[..]
        && only == "--only"
    {
        let case = cases
            .iter()
            .find(|case| case.name == *name)
            .expect("a case");
        let mut work = (case.make)();
        (0..times.parse().expect("a number")).for_each(|_| work());
        return;
    }
    println!("{:<44} {:>10} {:>14}", "", "ns", "instructions");
    for case in cases {
        let instructions =
            instructions(&case.name).map_or("-".to_owned(), |count| count.to_string());
        println!(
            "{:<44} {:>10.0} {instructions:>14}",
            case.name,
            nanoseconds(&mut (case.make)())
        );
    }
}

/// The best round, because everything else on the machine only adds. A round is short, so that some
/// run undisturbed.
fn nanoseconds(work: &mut Work) -> f64 {
    const TIMES: u32 = 500;
    let round = |work: &mut Work| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| black_box(&mut *work)());
        start.elapsed().as_nanos() as f64 / f64::from(TIMES)
    };
    let end = Instant::now() + Duration::from_millis(300);
    let mut best = round(work);
    while Instant::now() < end {
        best = best.min(round(work));
    }
    best
}

/// The difference between two runs under valgrind, so that what comes before and after does not
/// count.
fn instructions(name: &str) -> Option<u64> {
    let count = |times: u64| {
        let out = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env::current_exe().ok()?)
            .args(["--only", name, &times.to_string()])
            .output()
            .ok()?;
        let log = String::from_utf8_lossy(&out.stderr).into_owned();
        log.lines()
            .find_map(|line| line.split_once("Collected :")?.1.trim().parse::<u64>().ok())
    };
    Some(count(2000)?.saturating_sub(count(1000)?) / 1000)
}
