//! A product with calls and attributes of every kind.

extern crate std;

use heapless::String;
use std::string::ToString;

use crate::*;

/// A valve that can be opened so far, with a name on it.
#[derive(Default)]
struct Valve {
    percent: i32,
    label: String<8>,
    stuck: bool,
    frost: i32,
}

type Percent = Whole<0, 100>;

impl Valve {
    async fn open(&mut self, percent: Percent) -> Result<(), Refusal> {
        if self.stuck {
            return Err(Refusal("the valve is stuck: free it by hand"));
        }
        self.percent = percent.value();
        Ok(())
    }

    async fn shut(&mut self, (): ()) -> Result<i32, Refusal> {
        Ok(core::mem::take(&mut self.percent))
    }

    async fn name(&mut self, label: String<8>) -> Result<(), Refusal> {
        self.label = label;
        Ok(())
    }

    async fn guard(&mut self, frost: Fixed<1, -100, 50>) -> Result<(), Refusal> {
        self.frost = frost.value();
        Ok(())
    }

    fn percent(&self) -> Percent {
        Percent::new(self.percent).unwrap()
    }
}

impl Product for Valve {
    const NAME: &'static str = "valve";
    const VERSION: &'static str = "2.0.0";
    type Reading = ();
    const SERIES: &'static [Series<()>] = &[];

    async fn sample(&mut self, _: &mut Faults) {}

    fn calls() -> impl Calls<Self> {
        (
            call("open", Self::open),
            call("shut", Self::shut),
            call("isStuck", async |me: &mut Self, (): ()| Ok(me.stuck)),
        )
    }

    fn attributes() -> impl Attributes<Self> {
        (
            shared("percent", Self::percent, Self::open).kept(),
            shared("label", |me: &Self| me.label.clone(), Self::name),
            shared(
                "frost",
                |me: &Self| Fixed::new(me.frost).unwrap(),
                Self::guard,
            ),
            client("stuck", |me: &Self| me.stuck),
        )
    }
}

#[test]
fn a_call_is_carried_out_and_its_reply_is_what_the_method_returns() {
    let mut valve = Valve::default();
    assert_eq!(desk::call(&mut valve, "open", "40"), r#"{"ok":true}"#);
    assert_eq!(valve.percent, 40);
    assert_eq!(desk::call(&mut valve, "shut", ""), "40");
    assert_eq!(desk::call(&mut valve, "shut", "{}"), "0");
    assert_eq!(desk::call(&mut valve, "isStuck", "null"), "false");
}

#[test]
fn wrong_params_and_refusals_say_what_to_do_and_change_nothing() {
    let mut valve = Valve::default();
    let range = r#"{"ok":false,"error":"params: write a number from 0 to 100"}"#;
    for params in ["", "101", "-1", "true", "\"5\"", "0.5", "1e99", "{}", "[1]"] {
        assert_eq!(desk::call(&mut valve, "open", params), range, "{params}");
    }
    let nothing = r#"{"ok":false,"error":"params: write nothing"}"#;
    assert_eq!(desk::call(&mut valve, "shut", "1"), nothing);
    valve.stuck = true;
    let stuck = r#"{"ok":false,"error":"the valve is stuck: free it by hand"}"#;
    assert_eq!(desk::call(&mut valve, "open", "40"), stuck);
    assert_eq!(valve.percent, 0);
}

#[test]
fn a_shared_attribute_is_set_if_it_is_right_and_told_back_as_the_product_has_it() {
    let mut valve = Valve::default();
    assert_eq!(desk::set(&mut valve, "percent", "40"), Ok(()));
    assert_eq!(desk::set(&mut valve, "label", r#""s\u00fcd""#), Ok(()));
    assert_eq!(desk::set(&mut valve, "frost", "-1.5"), Ok(()));
    let told = r#"{"percent":40,"label":"süd","frost":-1.5,"stuck":false}"#;
    assert_eq!(desk::attributes(&valve), told);
    let wrong =
        |valve: &mut Valve, key, value| desk::set(valve, key, value).unwrap_err().to_string();
    assert_eq!(
        wrong(&mut valve, "frost", "5.1"),
        "write a number from -10.0 to 5.0"
    );
    assert_eq!(
        wrong(&mut valve, "frost", "1.55"),
        "write a number from -10.0 to 5.0"
    );
    assert_eq!(
        wrong(&mut valve, "label", "\"123456789\""),
        "write text of 8 bytes at most"
    );
    desk::call(&mut valve, "shut", "");
    assert_eq!(desk::attributes(&valve), told.replace("40", "0").as_str());
}

#[test]
fn the_card_knows_the_names_of_calls_and_attributes() {
    let card = Card::of::<Valve>();
    assert_eq!(
        (card.method("shut"), card.method("close")),
        (Some("shut"), None)
    );
    assert_eq!(card.keeps("percent"), Some(true));
    assert_eq!(
        (card.keeps("label"), card.keeps("stuck")),
        (Some(false), None)
    );
    let mut methods = std::vec::Vec::new();
    card.methods(&mut |method| methods.push(method));
    assert_eq!(methods, ["open", "shut", "isStuck"]);
}
