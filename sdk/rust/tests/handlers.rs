use std::io::{Read, Write};
use std::time::{Duration, UNIX_EPOCH};

use prism::testing::{self, Host, Step};
use prism::{Input, Level, Output};

type Nothing = Result<&'static [u8], String>;

const NOTHING: Nothing = Ok(b"");

fn upper(input: &[u8]) -> Result<Vec<u8>, String> {
    Ok(input.to_ascii_uppercase())
}

// It is checked natively as it is for WebAssembly.
prism::plugin! {
    init: || (),
    resume: || (),
    "handle" => upper,
    "other" => |_: &[u8]| -> Nothing { NOTHING },
}

#[test]
fn output_is_what_the_handler_returned() {
    assert_eq!(testing::call(upper, b"hello").text(), "HELLO");
}

#[test]
fn a_large_input_is_seen_whole() {
    let input = b"0123456789".repeat(100_000);
    let got = testing::call(|input: &[u8]| Ok::<_, String>(input.to_vec()), &input);
    assert!(got.output.as_deref() == Ok(&input[..]));
}

#[test]
fn an_error_reaches_the_caller_as_text_and_drops_the_output() {
    let failing = |_: &[u8]| -> Result<Vec<u8>, std::num::ParseIntError> {
        Output::new().write_all(b"half").unwrap();
        "x".parse::<u8>().map(|n| vec![n])
    };
    assert_eq!(testing::call(failing, b"").failure(), "invalid digit found in string");
}

#[test]
fn messages_are_cut_where_the_server_cuts_them() {
    let failing = |_: &[u8]| -> Nothing {
        prism::log(Level::Info, &"x".repeat(5_000));
        Err("y".repeat(5_000))
    };
    let got = testing::call(failing, b"");
    assert_eq!((got.failure().len(), got.log[0].1.len()), (4096, 4096));
}

#[test]
fn log_lines_are_kept_in_order_with_their_levels() {
    let logging = |_: &[u8]| -> Nothing {
        prism::debug!("first");
        prism::info!("{} of {}", 2, 4);
        prism::warn!("third");
        prism::error!("fourth");
        NOTHING
    };
    let want = [(Level::Debug, "first"), (Level::Info, "2 of 4"), (Level::Warn, "third"), (Level::Error, "fourth")];
    let got = testing::call(logging, b"").log;
    assert!(got.iter().map(|(level, line)| (*level, line.as_str())).eq(want), "{:?}", got);
}

#[test]
fn progress_is_kept_in_order() {
    let got = testing::call(
        |_: &[u8]| -> Nothing {
            prism::progress(1, 2, "half");
            prism::progress(u64::MAX, 0, "");
            NOTHING
        },
        b"",
    );
    let want = [
        Step { done: 1, total: 2, message: "half".into() },
        Step { done: i64::MAX as u64, total: 0, message: String::new() },
    ];
    assert_eq!(got.progress, want);
}

#[test]
fn config_tells_unset_from_empty_and_carries_long_values() {
    let (long, brim) = ("x".repeat(10_000), "y".repeat(128));
    let host = Host::new().config("empty", "").config("long", &long).config("brim", &brim);
    let got = host.call(
        |_: &[u8]| -> Nothing {
            assert_eq!(prism::config("absent"), None);
            assert_eq!(prism::config("empty").as_deref(), Some(""));
            assert_eq!(prism::config("long").as_ref(), Some(&long));
            assert_eq!(prism::config("brim").as_ref(), Some(&brim));
            NOTHING
        },
        b"",
    );
    assert_eq!(got.text(), "");
}

#[test]
fn the_call_is_as_the_host_tells_it() {
    let tell = |_: &[u8]| -> Result<String, String> {
        Ok(format!(
            "{:?} {:?} {:?} {:?} {:?}",
            prism::request_id(),
            prism::function(),
            prism::plugin(),
            prism::version(),
            prism::deadline().map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_millis()),
        ))
    };
    let host = Host::new()
        .request_id("01J")
        .function("score")
        .plugin("scores")
        .version(12)
        .deadline(UNIX_EPOCH + Duration::from_micros(1_772_366_400_250_999));
    let want = r#"Some("01J") Some("score") Some("scores") Some(12) Some(1772366400250)"#;
    assert_eq!(host.call(tell, b"").text(), want);
    assert_eq!(testing::call(tell, b"").text(), "None None None None None");
}

#[test]
fn input_and_output_are_streams_too() {
    let streaming = |_: &[u8]| -> Result<&'static [u8], std::io::Error> {
        let mut input = Input::new();
        assert_eq!(input.length()?, 10);
        let (mut part, mut rest) = ([0; 4], String::new());
        input.read_exact(&mut part)?;
        input.read_to_string(&mut rest)?;
        assert_eq!(input.read(&mut part)?, 0);
        writeln!(Output::new(), "{}|{}", part.len(), rest)?;
        Ok(b"end")
    };
    assert_eq!(testing::call(streaming, b"0123456789").text(), "4|456789\nend");
}

#[test]
fn outside_a_call_nothing_is_there() {
    assert!(Input::new().length().is_err());
    assert!(Input::new().read(&mut [0]).is_err());
    assert_eq!(prism::config("key"), None);
    assert_ne!(prism::run(|_: &[u8]| -> Nothing { panic!("it ran") }), 0);
}

#[test]
fn a_call_within_a_call_is_a_mistake() {
    let nested = std::panic::catch_unwind(|| testing::call(|_: &[u8]| -> Nothing { panic!("{:?}", testing::call(upper, b"")) }, b""));
    let message = nested.unwrap_err();
    assert!(message.downcast_ref::<&str>().unwrap().contains("made a call through the host"));
    assert_eq!(testing::call(upper, b"after it").text(), "AFTER IT");
}

#[cfg(feature = "json")]
#[test]
fn json_handlers_take_and_return_values() {
    let twice = || prism::json(|n: Vec<u32>| if n.is_empty() { Err("no numbers") } else { Ok(n.repeat(2)) });
    assert_eq!(testing::call(twice(), b"[1, 2]").text(), "[1,2,1,2]");
    assert_eq!(testing::call(twice(), b"[]").failure(), "no numbers");
    assert_eq!(
        testing::call(twice(), b"[1,\n\"x\"]").failure(),
        "the input is not as expected: invalid type: string \"x\", expected u32 at line 2 column 3",
    );
}
