import unittest
from pathlib import Path

from normalise import as_decimal, handle

MARKET = Path(__file__).parents[2] / "testdata" / "market"


def lines(name):
    return (MARKET / name).read_text().splitlines()


class Normalise(unittest.TestCase):
    def test_messages_become_the_golden_events(self):
        for exchange in "binance", "okx", "deribit":
            with self.subTest(exchange):
                events = "".join(handle(message.encode()) for message in lines(exchange + ".ndjson"))
                self.assertEqual(events.splitlines(), lines(exchange + ".golden.ndjson"))

    def test_refusals_say_what_was_expected_and_where(self):
        for row in lines("refusals.tsv")[1:]:
            message, failure = row.split("\t")
            with self.subTest(message), self.assertRaises(ValueError) as refusal:
                handle(message.encode())
            if not failure.startswith("not "):  # what is no JSON is refused in Python's words
                self.assertEqual(str(refusal.exception), failure)

    def test_what_is_no_json_is_refused(self):
        for message in b'{"e":"\xff"}', b'\xef\xbb\xbf{}', b'{"e":"\xed\xa0\x80"}', b'{"p":Infinity}', b'{"e":"a\nb"}':
            with self.subTest(message), self.assertRaises(ValueError):
                handle(message)

    def test_decimals_are_exact(self):
        for text, plain in {
            "4714.0": "4714.0", "-0": "-0", "1e-06": "0.000001", "1E6": "1000000", "1.50e1": "15.0", "1.50e3": "1500",
            "-12.5e-3": "-0.0125", "0e5": "0", "0.0e-1": "0.00", "0.05e4": "500", "1e000000002": "100",
            "1e400": "1" + "0" * 400, "1e401": None, "": None, "05": None, "+5": None, ".5": None, "5.": None, "1_0": None,
            "Infinity": None, " 1": None, "1\n": None, "\u0661": None,
        }.items():
            self.assertEqual(as_decimal(text), plain, text)

    def test_an_excerpt_ends_between_characters(self):
        with self.assertRaisesRegex(ValueError, '^binance: unknown event "€{13}\\.\\.\\.$'):
            handle('{"e":"€€€€€€€€€€€€€€€€€€€€"}'.encode())


if __name__ == "__main__":
    unittest.main()
