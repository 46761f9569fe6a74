//! Measures the cost of a piece of work: nanoseconds (the best of many rounds) and, if valgrind is
//! installed, instructions.

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// One row of the table: a name, and a function that creates the work to repeat.
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

/// Prints the table.
///
/// With the arguments `--only NAME TIMES`, it repeats one case instead. This is how it runs itself
/// under valgrind.
pub(crate) fn table(cases: &[Case]) {
    let arguments: Vec<String> = env::args().collect();
    if let [_, only, name, times] = &arguments[..]
        && only == "--only"
    {
        let case = cases
            .iter()
            .find(|case| case.name == *name)
            .expect("the case must exist");
        let mut work = (case.make)();
        (0..times.parse().expect("TIMES must be a number")).for_each(|_| work());
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

/// Returns the time of the best round, because other processes can only make a round slower. Rounds
/// are short, so that some of them run undisturbed.
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

/// Returns the instructions per repetition, from the difference of two runs under valgrind, so that
/// setup and teardown do not count.
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
