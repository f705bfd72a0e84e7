//! Good and bad uses of the macros, with the messages of the bad ones. After a change of the messages or of the toolchain,
//! `TRYBUILD=overwrite cargo test --release -p glassbox-tools --test ui` writes them anew.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
