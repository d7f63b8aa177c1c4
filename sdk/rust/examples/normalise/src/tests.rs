use std::fs;
use std::path::{Path, PathBuf};

use prism::testing;

use crate::decimal::{is_integer, plain_decimal};
use crate::deribit::milliseconds;
use crate::normalise;

const EXCHANGES: [&str; 3] = ["binance", "okx", "deribit"];

/// The messages and events shared with the same plugin in other languages.
fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../testdata/market")
}

fn read(file: PathBuf) -> String {
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {}", file.display(), error))
}

fn events(message: &str) -> String {
    let got = testing::call(normalise, message.as_bytes());
    match &got.output {
        Ok(_) => got.text().to_owned(),
        Err(failure) => panic!("{}, of {}", failure, message),
    }
}

#[track_caller]
fn assert_refused(message: &[u8], want: &str) {
    let got = testing::call(normalise, message);
    assert_eq!(got.failure(), want, "of {}", String::from_utf8_lossy(message));
}

#[test]
fn sample_messages_become_the_golden_events() {
    for exchange in EXCHANGES {
        let messages = read(samples().join(format!("{}.ndjson", exchange)));
        let golden = read(samples().join(format!("{}.golden.ndjson", exchange)));
        let got: String = messages.lines().map(events).collect();
        for (n, (got, want)) in got.lines().zip(golden.lines()).enumerate() {
            assert_eq!(got, want, "{}, event {}", exchange, n + 1);
        }
        assert_eq!(got, golden, "{}", exchange);
    }
}

#[test]
fn refusals_say_what_was_expected_and_where() {
    let table = read(samples().join("refusals.tsv"));
    assert!(table.lines().count() > 50);
    for row in table.lines().skip(1) {
        let (message, want) = row.split_once('\t').unwrap();
        assert_refused(message.as_bytes(), want);
    }
}

#[test]
fn refusals_of_what_a_table_cannot_hold() {
    let unexpected = "not JSON: unexpected byte at offset 7";
    let not_utf8 = "not JSON: not UTF-8 at offset 6";
    let too_deep = "not JSON: nested deeper than 64 levels at offset 68";
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));

    assert_refused(b"{\"e\":\"a\nb\"}", unexpected);
    assert_refused(b"{\"e\":\"a\0b\"}", unexpected);
    assert_refused(b"{\"e\":1}\0", unexpected);
    assert_refused(b"{\"e\":\"\xc3\x28\"}", not_utf8);
    assert_refused(b"{\"e\":\"\xc0\xaf\"}", not_utf8); // overlong
    assert_refused(b"{\"e\":\"\xed\xa0\x80\"}", not_utf8); // a surrogate
    assert_refused(b"{\"e\":\"\xf4\x90\x80\x80\"}", not_utf8); // beyond the last character
    assert_refused(b"{\"e\":\"\xe2\x82", not_utf8); // cut inside a character
    assert_refused("\u{feff}{}".as_bytes(), "not a JSON object");
    assert_refused(nested(64).as_bytes(), too_deep);
    assert_refused(nested(63).as_bytes(), r#"unknown message: no "stream", "arg" or "jsonrpc" field"#);
    assert_refused(format!("{{\"a\":{}", "[".repeat(1_000_000)).as_bytes(), too_deep);
    assert_refused(
        format!("{{\"e\":\"{}\"}}", "€".repeat(20)).as_bytes(),
        &format!("binance: unknown event \"{}...", "€".repeat(13)),
    );
}

#[test]
fn every_beginning_of_a_message_is_cut_off_or_refused() {
    for exchange in EXCHANGES {
        for message in read(samples().join(format!("{}.ndjson", exchange))).lines() {
            for end in 1..message.len() {
                let got = testing::call(normalise, &message.as_bytes()[..end]);
                assert!(got.failure().starts_with("not JSON: "), "{}", got.failure());
            }
        }
    }
}

#[test]
fn white_space_does_not_matter() {
    let plain = r#"{"e":"depthUpdate","E":1,"s":"A","U":1,"u":2,"b":[["1","2"],["3","4"]],"a":[]}"#;
    let spaced = " \r\n{ \"e\" :\t\"depthUpdate\" , \"E\" : 1 ,\"s\":\"A\",\"U\":1,\"u\":2,\
        \"b\" : [ [ \"1\" , \"2\" ] , [\"3\",\"4\"] ] , \"a\" : [ ] } \n";
    assert_eq!(events(plain), events(spaced));
}

#[test]
fn keys_differ_by_case() {
    let got = events(r#"{"e":"depthUpdate","E":1,"s":"A","U":10,"u":20,"b":[],"a":[]}"#);
    assert!(got.contains(r#""first_seq":10,"last_seq":20"#), "{}", got);
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let got = events(r#"{"e":"kline","e":"depthUpdate","E":1,"s":"A","U":1,"u":2,"\u0075":3,"b":[],"a":[]}"#);
    assert!(got.contains(r#""last_seq":3"#), "{}", got);
}

#[test]
fn escapes_of_names_are_kept() {
    let got = events(r#"{"s":"\"A\\\u00e9é\ud83d\ude00","b":"1","B":"2","a":"3","A":"4"}"#);
    assert!(got.contains(r#""symbol":"\"A\\\u00e9é\ud83d\ude00""#), "{}", got);
}

#[test]
fn plain_decimals_are_exact() {
    let large = format!("1{}", "0".repeat(400));
    let small = format!("0.{}1", "0".repeat(399));
    for (text, want) in [
        ("4714.0", "4714.0"),
        ("0.00000000", "0.00000000"),
        ("-0", "-0"),
        ("1e-06", "0.000001"),
        ("1E6", "1000000"),
        ("1e+2", "100"),
        ("1.5e0", "1.5"),
        ("1.50e2", "150"),
        ("1.50e1", "15.0"),
        ("1.50e3", "1500"),
        ("-12.5e-3", "-0.0125"),
        ("-12.5e-1", "-1.25"),
        ("0e5", "0"),
        ("0.0e-1", "0.00"),
        ("0.05e1", "0.5"),
        ("0.05e2", "5"),
        ("0.05e4", "500"),
        ("1e000000002", "100"),
        ("1e400", &large),
        ("1e-400", &small),
        (
            "123456789012345678901234567890.12345678901234567890e-10",
            "12345678901234567890.123456789012345678901234567890",
        ),
    ] {
        assert_eq!(plain_decimal(text).as_deref(), Some(want), "{}", text);
    }
    for text in [
        "1e401", "1e-401", "1e99999999999999999999", "", "-", ".5", "5.", "05", "+5", "1e", "1e+-2", "e5", " 1", "1 ", "0x1", "1_0", "Infinity",
        "1,5",
    ] {
        assert_eq!(plain_decimal(text), None, "{}", text);
    }
}

#[test]
fn integers_have_64_bits() {
    for text in ["0", "-1", "1701000000105", "9223372036854775807", "-9223372036854775807"] {
        assert!(is_integer(text), "{}", text);
    }
    for text in ["", "-", "-0", "00", "01", "-01", "1.0", "1e3", "+1", "9223372036854775808", "10000000000000000000", "1a", "--1"] {
        assert!(!is_integer(text), "{}", text);
    }
}

#[test]
fn milliseconds_are_truncated() {
    for (microseconds, want) in
        [("1626993723847561", "1626993723847"), ("999", "0"), ("1000", "1"), ("0", "0"), ("-999", "0"), ("-1999", "-1")]
    {
        assert_eq!(milliseconds(Some(microseconds.into())).as_deref(), Some(want), "{}", microseconds);
    }
    assert_eq!(milliseconds(None), None);
}

/// Reads the messages as the exchanges sent them, which are kept beside the repository and not in it. That
/// their events are to the byte those of the plugin in Go is tested with the server, in cmd/prismrt.
#[test]
fn a_recording_becomes_events() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|above| above.join("shared/data/market")).find(|it| it.exists());
    let recording = match beside {
        Some(recording) => recording,
        None => return eprintln!("no recorded messages: there is no shared/data/market beside the repository"),
    };
    for (exchange, want) in [("binance", 265), ("okx", 410), ("deribit", 136)] {
        let messages = read(recording.join(format!("{}.ndjson", exchange)));
        assert_eq!(messages.lines().map(|message| events(message).lines().count()).sum::<usize>(), want, "{}", exchange);
    }
}
