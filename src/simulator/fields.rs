//! Reads a JSON object strictly: every key is either asked for or refused, and every refusal names its path.
//! It must never fill in, trim or convert a value: a client that is nearly right is wrong.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::graph_error::GraphError;

type Checked<T> = Result<T, GraphError>;

pub(super) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value, path: impl Into<String>) -> Checked<Self> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Fields { path, map, asked: Vec::new() }),
            _ => Err(GraphError::invalid_parameter(format!("{} must be an object", named(&path)))),
        }
    }

    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The value of `name`, if given. `null` counts as given, so it fails every check of type.
    pub fn optional(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        self.map.get(name)
    }

    pub fn required(&mut self, name: &'static str) -> Checked<&'a Value> {
        self.optional(name).ok_or_else(|| GraphError::missing(&self.path_of(name)))
    }

    pub fn optional_text(&mut self, name: &'static str, longest: usize) -> Checked<Option<&'a str>> {
        let path = self.path_of(name);
        self.optional(name).map(|value| text(value, &path, longest)).transpose()
    }

    pub fn text(&mut self, name: &'static str, longest: usize) -> Checked<&'a str> {
        let value = self.required(name)?;
        text(value, &self.path_of(name), longest)
    }

    /// A text out of a closed list.
    pub fn one_of(&mut self, name: &'static str, allowed: &[&str]) -> Checked<&'a str> {
        let found = self.text(name, 64)?;
        if allowed.contains(&found) {
            return Ok(found);
        }
        let path = self.path_of(name);
        Err(GraphError::invalid_value(format!("{path} must be one of {}", allowed.join(", "))))
    }

    pub fn optional_boolean(&mut self, name: &'static str) -> Checked<Option<bool>> {
        match self.optional(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => {
                Err(GraphError::invalid_value(format!("{} must be true or false", self.path_of(name))))
            }
        }
    }

    /// A number, also written as a text, as Meta's own examples do.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Checked<f64> {
        let value = self.required(name)?;
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let path = self.path_of(name);
            GraphError::invalid_value(format!(
                "{path} must be a number from {} to {}",
                range.start(),
                range.end()
            ))
        })
    }

    pub fn object(&mut self, name: &'static str) -> Checked<Fields<'a>> {
        let value = self.required(name)?;
        Fields::of(value, self.path_of(name))
    }

    pub fn optional_object(&mut self, name: &'static str) -> Checked<Option<Fields<'a>>> {
        let path = self.path_of(name);
        self.optional(name).map(|value| Fields::of(value, path)).transpose()
    }

    /// The objects of an array whose length is within `count`.
    pub fn objects(&mut self, name: &'static str, count: RangeInclusive<usize>) -> Checked<Vec<Fields<'a>>> {
        let value = self.required(name)?;
        let path = self.path_of(name);
        let Value::Array(items) = value else {
            return Err(GraphError::invalid_value(format!("{path} must be an array")));
        };
        if !count.contains(&items.len()) {
            let (least, most) = (count.start(), count.end());
            return Err(GraphError::invalid_value(format!("{path} must have {least} to {most} elements")));
        }
        items.iter().enumerate().map(|(index, item)| Fields::of(item, format!("{path}[{index}]"))).collect()
    }

    /// Refuses every key that was not asked for.
    pub fn finish(self) -> Checked<()> {
        match self.map.keys().find(|key| !self.asked.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                Err(GraphError::invalid_parameter(format!("Unexpected key \"{}\"", self.path_of(key))))
            }
        }
    }
}

fn named(path: &str) -> &str {
    if path.is_empty() { "The body" } else { path }
}

fn text<'a>(value: &'a Value, path: &str, longest: usize) -> Checked<&'a str> {
    let Value::String(text) = value else {
        return Err(GraphError::invalid_value(format!("{path} must be a text")));
    };
    let length = text.chars().count();
    if text.trim().is_empty() {
        return Err(GraphError::invalid_value(format!("{path} must not be empty")));
    }
    if length > longest {
        return Err(GraphError::invalid_value(format!(
            "{path} has {length} characters, at most {longest} allowed"
        )));
    }
    Ok(text)
}
