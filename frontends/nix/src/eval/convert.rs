//! From evaluated values to what they hold, or an error that says what was there instead.
//! Knows nothing of promises: who calls evaluates first.

use std::rc::Rc;

use super::attrs::Attrs;
use super::string::NixString;
use super::value::{List, Value};
use crate::error::{Error, ErrorKind};

impl Value {
    /// A set.
    pub fn to_attrs(&self) -> Result<Rc<Attrs>, Error> {
        match self.peek() {
            Value::Attrs(attrs) => Ok(attrs),
            other => Err(Error::expected("a set", other.type_phrase())),
        }
    }

    /// A list.
    pub fn to_list(&self) -> Result<Rc<List>, Error> {
        match self.peek() {
            Value::List(list) => Ok(list),
            other => Err(Error::expected("a list", other.type_phrase())),
        }
    }

    /// A string.
    pub fn to_nix_string(&self) -> Result<Rc<NixString>, Error> {
        match self.peek() {
            Value::String(string) => Ok(string),
            other => Err(Error::expected("a string", other.type_phrase())),
        }
    }

    /// A string that refers to nothing and is UTF-8.
    pub fn to_plain_string(&self) -> Result<String, Error> {
        let string = self.to_nix_string()?;
        if string.has_context() {
            let message = format!(
                "the string '{}' is not allowed to refer to a store path",
                string.text()
            );
            return Err(Error::new(ErrorKind::Type, message));
        }
        string.to_utf8()
    }

    /// A Boolean.
    pub fn to_bool(&self) -> Result<bool, Error> {
        match self.peek() {
            Value::Bool(value) => Ok(value),
            other => Err(Error::expected("a Boolean", other.type_phrase())),
        }
    }

    /// An integer.
    pub fn to_int(&self) -> Result<i64, Error> {
        match self.peek() {
            Value::Int(value) => Ok(value),
            other => Err(Error::expected("an integer", other.type_phrase())),
        }
    }

    /// A number as a float.
    pub fn to_float(&self) -> Result<f64, Error> {
        match self.peek() {
            Value::Int(value) => Ok(value as f64),
            Value::Float(value) => Ok(value),
            other => Err(Error::expected("a float", other.type_phrase())),
        }
    }
}

impl NixString {
    /// The text, whatever it refers to; an error if it is not UTF-8.
    pub fn to_utf8(&self) -> Result<String, Error> {
        String::from_utf8(self.bytes.to_vec())
            .map_err(|_| Error::new(ErrorKind::Value, format!("'{}' is not UTF-8", self.text())))
    }
}
