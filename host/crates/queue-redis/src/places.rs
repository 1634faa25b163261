//! Whether the queue still holds what it was given: the ends of lanes, how far their
//! groups have come, and what is neither acknowledged nor dead.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use fred::types::Value;
use model::id::{StepKey, TenantId};
use queue::{Lane, Mark, Place, canonical};

use crate::{
    answers, entry,
    keys::{GROUP, LaneKeys},
    link::{Fault, strange},
    scripts,
    shared::Shared,
};

/// Deliveries in a page.
const PAGE: usize = 500;

impl Shared {
    pub(crate) async fn mark(&self) -> Result<Mark, Fault> {
        let queues = self.queues(&self.main).await?;
        let lanes: Vec<Arc<LaneKeys>> = queues
            .iter()
            .flat_map(|queue| [true, false].map(|high| self.keys.lane(queue, high)))
            .collect();
        let (incarnation, places) = self.places(&lanes).await?;
        let ends = lanes
            .iter()
            .zip(places)
            .map(|(keys, (added, _))| (keys.lane.clone(), added));
        let numbers = lanes.iter().map(|keys| {
            let last = vec![self.keys.waits(keys), "last".into()];
            ("HGET", last)
        });
        let numbers = numbers.collect::<Vec<_>>();
        let numbers = if numbers.is_empty() {
            Vec::new()
        } else {
            self.main.calls(numbers).await?
        };
        let others = lanes.iter().zip(numbers).filter_map(|(keys, number)| {
            let number = number?.as_u64()?;
            Some((keys.lane.clone(), Place(number, 0)))
        });
        Ok(Mark {
            incarnation,
            ends: ends.collect::<HashMap<Lane, Place>>(),
            others: others.collect(),
        })
    }

    /// The last place added and the last one delivered, for each lane.
    async fn places(
        &self,
        lanes: &[Arc<LaneKeys>],
    ) -> Result<(Option<queue::Incarnation>, Vec<(Place, Place)>), Fault> {
        let mut keys = vec![self.keys.incarnation.clone()];
        keys.extend(lanes.iter().map(|lane| lane.stream.clone()));
        let answer = self
            .main
            .run(&scripts::PLACES, &keys, [GROUP.into()])
            .await?
            .into_array();
        let (life, ids) = answer.split_first().ok_or_else(|| strange("places"))?;
        let places: Option<Vec<Place>> = ids.iter().map(entry::place).collect();
        let places = places.ok_or_else(|| strange("places"))?;
        let places = places.chunks_exact(2).map(|two| (two[0], two[1])).collect();
        Ok((answers::incarnation(life), places))
    }

    pub(crate) async fn lost(
        &self,
        mark: &Mark,
        queue: &str,
        high: bool,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<Option<Vec<StepKey>>, Fault> {
        if steps.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let keys = self.keys.lane(&canonical(queue).into(), high);
        if tenant != TenantId::DEFAULT {
            return self.lost_of_other(mark, &keys, tenant, steps).await;
        }
        let (incarnation, places) = self.places(std::slice::from_ref(&keys)).await?;
        if incarnation.is_none() || incarnation != mark.incarnation {
            return Ok(Some(Vec::new()));
        }
        let (added, delivered) = places.first().copied().unwrap_or_default();
        let end = mark.ends.get(&keys.lane).copied().unwrap_or_default();
        // After a failover the lane may end before the mark: then that much was lost.
        if delivered < end.min(added) {
            return Ok(None);
        }
        let held = self.held(&keys).await?;
        let lost = steps.iter().filter(|step| !held.contains(step));
        Ok(Some(lost.copied().collect()))
    }

    /// The same for a tenant that is not the first: its list has come as far as the mark when
    /// its first entry has a larger number.
    async fn lost_of_other(
        &self,
        mark: &Mark,
        keys: &LaneKeys,
        tenant: TenantId,
        steps: &[StepKey],
    ) -> Result<Option<Vec<StepKey>>, Fault> {
        let names = [
            self.keys.incarnation.clone(),
            self.keys.waits(keys),
            self.keys.list(keys, tenant),
        ];
        let answer = self.main.run(&scripts::STANDING, &names, []).await?;
        let Value::Array(answer) = answer else {
            return Err(strange("a tenant's place"));
        };
        let number = |place: usize| answer.get(place).and_then(Value::as_u64);
        let incarnation = answer.first().and_then(answers::incarnation);
        if incarnation.is_none() || incarnation != mark.incarnation {
            return Ok(Some(Vec::new()));
        }
        let added = number(1).ok_or_else(|| strange("a tenant's place"))?;
        let end = mark.others.get(&keys.lane).map_or(0, |place| place.0);
        if number(2).is_some_and(|first| first <= end.min(added)) {
            return Ok(None);
        }
        let held = match &keys.others {
            Some(others) => self.held(others).await?,
            None => HashSet::new(),
        };
        let lost = steps.iter().filter(|step| !held.contains(step));
        Ok(Some(lost.copied().collect()))
    }

    /// What of a lane is delivered and unacknowledged, and the dead letters of its queue.
    async fn held(&self, keys: &LaneKeys) -> Result<HashSet<StepKey>, Fault> {
        let mut held = HashSet::new();
        let mut from = Value::from("-");
        loop {
            let args = [GROUP.into(), from, Value::Integer(PAGE as i64)];
            let stream = [keys.stream.clone()];
            let answer = self.main.run(&scripts::PENDING, &stream, args).await?;
            let page = answer.into_array();
            let (last, values) = page.split_first().ok_or_else(|| strange("deliveries"))?;
            let known = values
                .iter()
                .filter_map(|value| entry::decode(value.as_bytes()?));
            held.extend(known);
            match last.as_bytes_str() {
                Some(last) => from = format!("({last}").into(),
                None => break,
            }
        }
        for (key, _) in self.letters(&keys.lane.queue).await? {
            held.insert(key);
        }
        Ok(held)
    }

    /// The dead letters of a queue with their reasons, the oldest first.
    pub(crate) async fn letters(&self, queue: &str) -> Result<Vec<(StepKey, String)>, Fault> {
        let args = vec![self.keys.dead(canonical(queue)), 0.into(), (-1).into()];
        let letters = self.main.call("LRANGE", args).await?.into_array();
        let letter = |letter: &Value| {
            let bytes = letter.as_bytes()?;
            let reason = String::from_utf8_lossy(bytes.get(entry::SIZE..)?).into_owned();
            Some((entry::decode(bytes)?, reason))
        };
        let others = vec![
            self.keys.dead_of_others(canonical(queue)),
            0.into(),
            (-1).into(),
        ];
        let others = self.main.call("LRANGE", others).await?.into_array();
        let of_other = |letter: &Value| {
            let (key, _, reason) = entry::letter_of(letter.as_bytes()?)?;
            Some((key, reason))
        };
        let first = letters.iter().filter_map(letter);
        Ok(first.chain(others.iter().filter_map(of_other)).collect())
    }
}
