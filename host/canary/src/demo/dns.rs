//! The DNS half of the demo listeners.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::SyncSender;

use hickory_proto::op::{Message, MessageType, OpCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::Hit;

/// Largest datagram that is read.
const MAX_QUERY: usize = 4096;

pub(super) async fn serve(socket: UdpSocket, hits: SyncSender<Hit>) {
    let mut buffer = [0; MAX_QUERY];
    loop {
        // A receive error belongs to an earlier answer that nobody took.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some((answer, hit)) = answer(&buffer[..length], from) {
            // A full channel means that nobody looks: answer all the same.
            let _ = hits.try_send(hit);
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// Answers a query; what is not one is left without an answer.
fn answer(datagram: &[u8], from: SocketAddr) -> Option<(Vec<u8>, Hit)> {
    let query = Message::from_vec(datagram).ok()?;
    let [question] = &query.queries[..] else { return None };
    if query.metadata.message_type != MessageType::Query || query.metadata.op_code != OpCode::Query {
        return None;
    }
    let mut response = Message::response(query.metadata.id, OpCode::Query);
    response.metadata.authoritative = true;
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.add_query(question.clone());
    if question.query_type == RecordType::A {
        let address = RData::A(A(Ipv4Addr::LOCALHOST));
        response.add_answer(Record::from_rdata(question.name.clone(), 0, address));
    }
    let hit = Hit::Dns { name: question.name.to_ascii(), kind: question.query_type.to_string(), from };
    Some((response.to_vec().ok()?, hit))
}
