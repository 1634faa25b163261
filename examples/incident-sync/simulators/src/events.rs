//! SL1 events that look like those of a real estate, the same for the same seed.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::random::{Random, STEP, mix};

/// Identifier of the first event of [`generate`]; the others count on from it.
pub const FIRST_EID: u64 = 4_000_001;

const SEVERITIES: [&str; 5] = ["Healthy", "Notice", "Minor", "Major", "Critical"];

/// Name, policy id, usual severity, message with `{}` for a measured value.
const POLICIES: [(&str, u32, u8, &str); 24] = [
    (
        "Poller: Availability Check Failed",
        1,
        4,
        "Device Failed Availability Check: UDP - SNMP ({} attempts)",
    ),
    (
        "Poller: Latency Exceeded Threshold",
        2,
        2,
        "Network latency exceeded threshold: {} ms",
    ),
    (
        "Poller: TCP Port Not Responding",
        6,
        3,
        "Port {} did not accept a connection within 5 seconds",
    ),
    (
        "Poller: Interface Operationally Down",
        12,
        3,
        "Interface GigabitEthernet1/0/{} is down, administratively up",
    ),
    (
        "Poller: Interface Flapping",
        15,
        2,
        "Interface TenGigE0/0/0/{} changed state repeatedly in 10 minutes",
    ),
    (
        "Poller: Interface Utilization",
        17,
        2,
        "Inbound utilisation of Po{} above 90 % for three polls",
    ),
    (
        "Dynamic: CPU Above Threshold",
        101,
        3,
        "Overall CPU utilisation has exceeded threshold: {} %",
    ),
    (
        "Dynamic: Physical Memory High",
        102,
        3,
        "Physical memory has exceeded threshold: {} %",
    ),
    (
        "Dynamic: Swap In Use",
        103,
        1,
        "Swap usage has risen to {} %",
    ),
    (
        "Dynamic: File System Critical",
        110,
        4,
        "File system /var/lib/data exceeded its critical threshold: {} % used",
    ),
    (
        "Dynamic: File System Major",
        111,
        3,
        "File system C:\\ exceeded its major threshold: {} % used",
    ),
    (
        "Dynamic: Fan Failure",
        120,
        3,
        "Fan tray {} reports: not operational",
    ),
    (
        "Dynamic: Power Supply Lost",
        121,
        4,
        "Power supply {} lost its input",
    ),
    (
        "Dynamic: Temperature Warning",
        122,
        2,
        "Inlet temperature is {} °C",
    ),
    (
        "Dynamic: BGP Peer Down",
        130,
        4,
        "BGP session with 192.0.2.{} left the Established state",
    ),
    (
        "Dynamic: OSPF Neighbour Lost",
        131,
        3,
        "OSPF neighbour 198.51.100.{} went from FULL to DOWN",
    ),
    (
        "Dynamic: Certificate Expires",
        140,
        1,
        "The TLS certificate on port 443 expires in {} days",
    ),
    (
        "Dynamic: Backup Job Failed",
        150,
        2,
        "Backup job nightly-{} ended with status 2",
    ),
    (
        "Syslog: Authentication Failure",
        201,
        1,
        "{} failed logins for user admin within five minutes",
    ),
    (
        "Syslog: Configuration Changed",
        202,
        1,
        "Configured from console by vty{}",
    ),
    (
        "Trap: UPS On Battery",
        301,
        4,
        "The UPS runs on battery, {} minutes left",
    ),
    (
        "Trap: Storage Pool Degraded",
        302,
        4,
        "Storage pool {} is degraded: a disk was removed",
    ),
    (
        "Trap: VM Migration",
        303,
        0,
        "Virtual machine moved to host esx-{}",
    ),
    (
        "Internal: Process Restarted",
        401,
        1,
        "A required process was restarted {} times",
    ),
];

const CLASSES: [&str; 10] = [
    "Cisco Systems | Catalyst 9300",
    "Cisco Systems | ASR 9001",
    "Juniper Networks | MX204",
    "Arista Networks | DCS-7280",
    "Microsoft | Windows Server 2022",
    "Red Hat | Enterprise Linux 9",
    "VMware | ESXi 8.0 Host",
    "NetApp | AFF A250",
    "APC | Smart-UPS SRT 5000",
    "F5 Networks | BIG-IP i2600",
];

const ROLES: [&str; 8] = [
    "core-sw",
    "edge-rtr",
    "db",
    "esx",
    "fs",
    "lb",
    "ups",
    "srv-büro",
];

const SITES: [&str; 12] = [
    "fra01",
    "lon02",
    "nyc03",
    "münchen",
    "zürich",
    "são-paulo",
    "kraków",
    "tokyo-東京",
    "αθήνα",
    "ams05",
    "sin06",
    "québec",
];

const ORGANISATIONS: [&str; 12] = [
    "Acme Logistics",
    "Müller & Söhne GmbH",
    "Société Générale d'Énergie",
    "Nordlys Kraft AS",
    "Łódź Szpital Miejski",
    "東京電機株式会社",
    "Αιγαίο Ναυτιλία",
    "Contoso Retail",
    "Banco São João",
    "Ångström Instruments",
    "Silver Creek Schools",
    "Œuvre Hospitalière",
];

const SOURCES: [&str; 5] = ["Dynamic", "Internal", "Syslog", "Trap", "Email"];

/// Distinct events: about one in ten concerns the device and policy of an earlier one, and so shares
/// its `correlation_id`.
pub fn generate(count: usize, seed: u64) -> impl Iterator<Item = Value> {
    let mut random = Random::new(seed);
    // The same up to a hundred thousand events, so that a shorter list is the start of a longer one.
    let space = (count.max(100_000) as u64 + 1) * 4;
    let mut stride = 7_919 + 2 * random.below(10_000);
    while gcd(stride, space) != 1 {
        stride += 1;
    }
    let mut fresh: Vec<u64> = Vec::with_capacity(count);
    (0..count as u64).map(move |index| {
        let repeated = !fresh.is_empty() && random.below(10) == 0;
        let pair = if repeated {
            *random.pick(&fresh)
        } else {
            // A full cycle through the space: no pair of device and policy comes twice.
            let pair = (fresh.len() as u64 + 1) * stride % space;
            fresh.push(pair);
            pair
        };
        event(index, pair, seed, &mut random)
    })
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}

/// What belongs to the device follows from the pair and the seed alone; the rest is new each time.
fn event(index: u64, pair: u64, seed: u64, random: &mut Random) -> Value {
    let (policy, policy_id, usual, message) = POLICIES[(pair % POLICIES.len() as u64) as usize];
    let device = pair / POLICIES.len() as u64;
    let traits = mix((seed ^ device).wrapping_mul(STEP));
    let pick = |shift: u32, length: usize| ((traits >> shift) % length as u64) as usize;
    let organisation = pick(24, ORGANISATIONS.len());
    let device_id = 100 + device;
    let device_name = format!(
        "{}-{}-{device_id}",
        SITES[pick(0, SITES.len())],
        ROLES[pick(8, ROLES.len())]
    );
    let address = format!(
        "10.{}.{}.{}",
        pick(32, 200) + 1,
        (device / 250) % 256,
        device % 250 + 1
    );

    let severity = match random.below(10) {
        0 => 0,
        1 => 4,
        _ => usual,
    };
    let eid = FIRST_EID + index;
    let counter = 1 + random.below(40);
    let last =
        Timestamp::constant(1_793_500_000, 0) + SignedDuration::from_secs((index * 7) as i64);
    let first = last - SignedDuration::from_secs((counter * (30 + random.below(270))) as i64);
    json!({
        "eid": eid.to_string(),
        "uri": format!("/api/event/{eid}"),
        "severity": severity,
        "severity_name": SEVERITIES[usize::from(severity)],
        "message": message.replace("{}", &(2 + random.below(97)).to_string()),
        "source": random.pick(&SOURCES),
        "device_id": device_id,
        "device_name": device_name,
        "device_ip": address,
        "device_class": CLASSES[pick(16, CLASSES.len())],
        "device_uri": format!("/api/device/{device_id}"),
        "organization": ORGANISATIONS[organisation],
        "organization_id": organisation + 1,
        "company_sys_id": format!("{:032x}", u128::from(mix(organisation as u64 + 1)) << 32),
        "policy_id": policy_id,
        "policy_name": policy,
        "first_occurrence": first.to_string(),
        "last_occurrence": last.to_string(),
        "counter": counter,
        "correlation_id": format!("SL1+DEV+{device_id}+POLICY+{policy_id}"),
        "ext_ticket_ref": "",
        "force_ticket_uri": "",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn text<'a>(event: &'a Value, field: &str) -> &'a str {
        event[field].as_str().unwrap()
    }

    #[test]
    fn events_are_distinct_realistic_and_the_same_for_the_same_seed() {
        let events: Vec<Value> = generate(10_000, 7).collect();
        assert_eq!(events.len(), 10_000);
        assert!(generate(500, 7).eq(events.iter().take(500).cloned()));
        assert!(!generate(500, 7).eq(generate(500, 8)));

        let eids: HashSet<&str> = events.iter().map(|event| text(event, "eid")).collect();
        assert_eq!(eids.len(), 10_000);
        let correlations: HashSet<&str> = events
            .iter()
            .map(|event| text(event, "correlation_id"))
            .collect();
        let repeated = 10_000 - correlations.len();
        assert!((850..1_150).contains(&repeated), "{repeated}");

        for event in &events {
            let size = event.to_string().len();
            assert!((500..=900).contains(&size), "{size}: {event}");
            assert!(event["severity"].as_u64().unwrap() <= 4);
        }
        let foreign = events
            .iter()
            .filter(|event| !text(event, "device_name").is_ascii())
            .count();
        assert!(foreign > 1_000, "{foreign}");
        assert!(
            events
                .iter()
                .any(|event| !text(event, "organization").is_ascii())
        );
    }

    #[test]
    fn one_correlation_is_one_device_and_policy() {
        let mut seen = std::collections::HashMap::new();
        for event in generate(3_000, 1) {
            let key = (
                event["device_name"].clone(),
                event["device_ip"].clone(),
                event["policy_name"].clone(),
            );
            let known = seen
                .entry(text(&event, "correlation_id").to_owned())
                .or_insert_with(|| key.clone());
            assert_eq!(*known, key);
        }
        assert_eq!(generate(0, 1).count(), 0);
        assert_eq!(generate(1, 1).count(), 1);
    }
}
