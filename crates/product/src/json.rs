//! What the server writes and is told, as types: a value that exists is one that is allowed.

use core::fmt;

use heapless::String;
use thingsboard::json::{Json, Writer};
use thingsboard::{Decimal, Value};

/// A value that the server writes: the params of a call, or a shared attribute.
///
/// A struct reads its members, each with its type:
///
/// ```
/// use product::{FromJson, Whole, Wrong, member};
/// use thingsboard::json::Json;
///
/// struct Watering {
///     valve: Whole<1, 4>,
///     seconds: Whole<1, 600>,
/// }
///
/// impl FromJson for Watering {
///     fn from_json(json: Option<Json<'_>>) -> Result<Self, Wrong> {
///         Ok(Self { valve: member(json, "valve")?, seconds: member(json, "seconds")? })
///     }
/// }
///
/// let read = |text: &str| Watering::from_json(Json::parse(text.as_bytes()).ok());
/// let watering = read(r#"{"valve":2,"seconds":30}"#).unwrap();
/// assert_eq!((watering.valve.value(), watering.seconds.value()), (2, 30));
/// let wrong = read(r#"{"valve":2,"seconds":900}"#).err().unwrap();
/// assert_eq!(wrong.to_string(), "seconds: write a number from 1 to 600");
/// ```
pub trait FromJson: Sized {
    /// Reads it; `None` is where nothing was written.
    ///
    /// # Errors
    ///
    /// [`Wrong`] says what to write.
    fn from_json(json: Option<Json<'_>>) -> Result<Self, Wrong>;
}

/// A value that the server is told: the reply to a call, or a client attribute.
pub trait ToJson {
    /// Writes it.
    fn to_json(&self, to: &mut Writer<'_>);
}

/// What was written and cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    /// The member of an object that is wrong, if it is one.
    pub member: Option<&'static str>,
    /// What is to be there.
    pub expected: Expected,
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing at all.
    Nothing,
    /// True or false.
    Truth,
    /// A number in a range of steps with so many decimal places.
    Number {
        /// The least.
        least: i32,
        /// The most.
        most: i32,
        /// The decimal places.
        places: u8,
    },
    /// Text of so many bytes at most.
    Text(usize),
    /// Something that a product describes itself, to be read after "write".
    Other(&'static str),
}

impl From<Expected> for Wrong {
    fn from(expected: Expected) -> Self {
        Self {
            member: None,
            expected,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(member) = self.member {
            write!(f, "{member}: ")?;
        }
        match self.expected {
            Expected::Nothing => f.write_str("write nothing"),
            Expected::Truth => f.write_str("write true or false"),
            Expected::Number {
                least,
                most,
                places,
            } => {
                let shown = |steps: i32| Decimal::new(steps.into(), places);
                write!(f, "write a number from {} to {}", shown(least), shown(most))
            }
            Expected::Text(most) => write!(f, "write text of {most} bytes at most"),
            Expected::Other(what) => write!(f, "write {what}"),
        }
    }
}

/// A member of an object.
///
/// # Errors
///
/// [`Wrong`] names the member.
pub fn member<T: FromJson>(json: Option<Json<'_>>, name: &'static str) -> Result<T, Wrong> {
    let member = json.and_then(Json::as_object).and_then(|o| o.get(name));
    T::from_json(member).map_err(|wrong| Wrong {
        member: Some(name),
        ..wrong
    })
}

/// Nothing, or an empty object, which servers send for it. As a reply it is `{"ok":true}`.
impl FromJson for () {
    fn from_json(json: Option<Json<'_>>) -> Result<Self, Wrong> {
        let empty = |json: Json<'_>| {
            json.is_null()
                || json
                    .as_object()
                    .is_some_and(|o| o.members().next().is_none())
        };
        match json.is_none_or(empty) {
            true => Ok(()),
            false => Err(Expected::Nothing.into()),
        }
    }
}

impl ToJson for () {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.object([("ok", true.into())]);
    }
}

impl FromJson for bool {
    fn from_json(json: Option<Json<'_>>) -> Result<Self, Wrong> {
        json.and_then(Json::as_bool).ok_or(Expected::Truth.into())
    }
}

impl ToJson for bool {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.value((*self).into());
    }
}

/// A number with decimal places, from one number of steps to another: `Fixed<1, -100, 500>` is from -10.0
/// to 50.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed<const PLACES: u8, const LEAST: i32, const MOST: i32>(i32);

/// A whole number from one to another.
pub type Whole<const LEAST: i32, const MOST: i32> = Fixed<0, LEAST, MOST>;

impl<const PLACES: u8, const LEAST: i32, const MOST: i32> Fixed<PLACES, LEAST, MOST> {
    /// So many steps, if that is in range.
    #[must_use]
    pub const fn new(steps: i32) -> Option<Self> {
        if LEAST <= steps && steps <= MOST {
            Some(Self(steps))
        } else {
            None
        }
    }

    /// How many steps it is.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }
}

impl<const PLACES: u8, const LEAST: i32, const MOST: i32> FromJson for Fixed<PLACES, LEAST, MOST> {
    fn from_json(json: Option<Json<'_>>) -> Result<Self, Wrong> {
        let steps = json
            .and_then(Json::as_decimal)
            .and_then(|number| number.steps(PLACES));
        let steps = steps.and_then(|steps| i32::try_from(steps).ok());
        let expected = Expected::Number {
            least: LEAST,
            most: MOST,
            places: PLACES,
        };
        steps.and_then(Self::new).ok_or(expected.into())
    }
}

impl<const PLACES: u8, const LEAST: i32, const MOST: i32> ToJson for Fixed<PLACES, LEAST, MOST> {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.value(match PLACES {
            0 => Value::Int(self.0.into()),
            places => Value::Decimal(Decimal::new(self.0.into(), places)),
        });
    }
}

impl<const N: usize> FromJson for String<N> {
    fn from_json(json: Option<Json<'_>>) -> Result<Self, Wrong> {
        let text = json.and_then(Json::as_text);
        let read = text.and_then(|text| {
            let mut read = Self::new();
            text.chars().try_for_each(|c| read.push(c)).ok()?;
            Some(read)
        });
        read.ok_or(Expected::Text(N).into())
    }
}

impl<const N: usize> ToJson for String<N> {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.text(self);
    }
}

impl ToJson for &str {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.text(self);
    }
}

impl ToJson for u32 {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.value((*self).into());
    }
}

impl ToJson for i32 {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.value((*self).into());
    }
}

/// What there may be or not: `null` is not.
impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: Option<Json<'_>>) -> Result<Self, Wrong> {
        match json.filter(|json| !json.is_null()) {
            None => Ok(None),
            json => T::from_json(json).map(Some),
        }
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self, to: &mut Writer<'_>) {
        match self {
            Some(value) => value.to_json(to),
            None => to.raw("null"),
        }
    }
}
