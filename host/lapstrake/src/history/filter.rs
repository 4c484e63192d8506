//! `--filter` of listings, with the words of `docker buildx history ls`.
//! Pure.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::Summary;
use super::record::Status;
use crate::spec::{SpecError, length_of_time};

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Its id, or what it was called.
    Text {
        /// What is looked at.
        field: Field,
        /// How.
        relation: Relation,
        /// With what.
        value: String,
    },
    /// How it ended.
    Status {
        /// Whether it is to be so, or not so.
        equal: bool,
        /// The state.
        status: Status,
    },
    /// When it began or ended.
    Time {
        /// What is looked at.
        field: Moment,
        /// How.
        order: Order,
        /// With what.
        at: SystemTime,
    },
    /// How long it took.
    Duration {
        /// How.
        order: Order,
        /// With what.
        length: Duration,
    },
}

/// A text of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Its id.
    Ref,
    /// What it was called.
    Name,
}

/// A moment of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// When it began.
    Started,
    /// When it ended.
    Completed,
}

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `!=`
    Other,
    /// `~=`: it is part of it.
    Contains,
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

impl Relation {
    fn holds(self, text: &str, value: &str) -> bool {
        match self {
            Self::Equal => text == value,
            Self::Other => text != value,
            Self::Contains => text.contains(value),
        }
    }
}

impl Filter {
    /// Whether a build is as the filter says.
    pub fn holds(&self, build: &Summary) -> bool {
        match self {
            Self::Text {
                field,
                relation,
                value,
            } => {
                let text = match field {
                    Field::Ref => build.start.id.as_str(),
                    Field::Name => &build.start.name,
                };
                relation.holds(text, value)
            }
            Self::Status { equal, status } => (build.status == *status) == *equal,
            Self::Time { field, order, at } => match field {
                Moment::Started => order.holds(&build.start.at, at),
                Moment::Completed => build.status != Status::Running && order.holds(&build.last, at),
            },
            Self::Duration { order, length } => order.holds(&build.duration(), length),
        }
    }
}

const FIELDS: [&str; 6] = ["ref", "name", "status", "startedAt", "completedAt", "duration"];
const OPERATORS: [&str; 7] = ["!=", "~=", ">=", "<=", "=", ">", "<"];

impl FromStr for Filter {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let at = text.find(['=', '!', '~', '<', '>']);
        let (field, rest) = text.split_at(at.unwrap_or(text.len()));
        let found = OPERATORS
            .iter()
            .find_map(|operator| Some((*operator, rest.strip_prefix(operator)?)));
        let Some((operator, value)) = found else {
            return Err(SpecError(format!(
                "{text:?} is no condition; write FIELD=VALUE, such as status=failed"
            )));
        };
        let wrong = || SpecError(format!("{field} cannot be compared with {operator}"));
        let relation = match operator {
            "=" => Ok(Relation::Equal),
            "!=" => Ok(Relation::Other),
            "~=" => Ok(Relation::Contains),
            _ => Err(wrong()),
        };
        let order = match operator {
            "<" => Ok(Order::Less),
            "<=" => Ok(Order::AtMost),
            ">" => Ok(Order::More),
            ">=" => Ok(Order::AtLeast),
            _ => Err(wrong()),
        };
        match field {
            "ref" | "name" => Ok(Self::Text {
                field: if field == "ref" { Field::Ref } else { Field::Name },
                relation: relation?,
                value: value.to_owned(),
            }),
            "status" => Ok(Self::Status {
                equal: match relation? {
                    Relation::Equal => true,
                    Relation::Other => false,
                    Relation::Contains => return Err(wrong()),
                },
                status: status(value)?,
            }),
            "startedAt" | "completedAt" => Ok(Self::Time {
                field: if field == "startedAt" {
                    Moment::Started
                } else {
                    Moment::Completed
                },
                order: order?,
                at: moment(value)?,
            }),
            "duration" => Ok(Self::Duration {
                order: order?,
                length: length_of_time(value)?,
            }),
            other => Err(SpecError(match crate::suggest::closest(other, FIELDS) {
                Some(near) => format!("{other:?} is no field of a build; did you mean {near}?"),
                None => format!("{other:?} is no field of a build; they are {}", FIELDS.join(", ")),
            })),
        }
    }
}

/// A state in our words, or those of `docker buildx`.
fn status(word: &str) -> Result<Status, SpecError> {
    let known = [
        Status::Running,
        Status::Completed,
        Status::Failed,
        Status::Cancelled,
        Status::Interrupted,
    ];
    let lower = word.to_ascii_lowercase();
    let ours = match lower.as_str() {
        "error" => "failed",
        "canceled" => "cancelled",
        other => other,
    };
    known
        .into_iter()
        .find(|status| status.word() == ours)
        .ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|status| status.word()).collect();
            SpecError(format!(
                "{word:?} is no state of a build; they are {}",
                words.join(", ")
            ))
        })
}

/// A time stamp, or so long ago.
fn moment(text: &str) -> Result<SystemTime, SpecError> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(stamp.into());
    }
    let ago = length_of_time(text).map_err(|_| {
        SpecError(format!(
            "{text:?} is neither a time (RFC 3339) nor a length of time, such as 24h"
        ))
    })?;
    Ok(SystemTime::now()
        .checked_sub(ago)
        .unwrap_or(SystemTime::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let parse = |text: &str| text.parse::<Filter>();
        assert_eq!(
            parse("status=error"),
            Ok(Filter::Status {
                equal: true,
                status: Status::Failed
            })
        );
        assert_eq!(
            parse("ref~=ab"),
            Ok(Filter::Text {
                field: Field::Ref,
                relation: Relation::Contains,
                value: "ab".into()
            })
        );
        assert_eq!(
            parse("duration>=90s"),
            Ok(Filter::Duration {
                order: Order::AtLeast,
                length: Duration::from_secs(90)
            })
        );
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(
            parse("startedAt<2023-11-14T22:13:20Z"),
            Ok(Filter::Time {
                field: Moment::Started,
                order: Order::Less,
                at
            })
        );
    }

    #[test]
    fn wrong_conditions_say_what_is_right() {
        let text = |text: &str| text.parse::<Filter>().unwrap_err().to_string();
        assert!(text("status").contains("FIELD=VALUE"));
        assert!(
            text("state=x").contains("did you mean status?"),
            "{}",
            text("state=x")
        );
        assert!(text("status=ok").contains("completed"));
        assert!(text("status>failed").contains("cannot be compared"));
        assert!(text("startedAt>soon").contains("24h"));
    }
}
