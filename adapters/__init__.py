"""What connects a province's own system to the hub: each adapter translates, numbers, and sends; none imports the hub.

`kit` is what they share: the outbox that numbers events once, the sender that brings them to the hub and resumes, and the way there.
`sichuan` is a signed and encrypted JSON gateway. `chongqing` is a card service in pseudo-XML and a reader of daily files. `simulator`
plays both provinces' systems against them; `samples` has native messages beside the events they become. `cli` has one command each.

The way of one message: it is read, checked and translated, and a refusal leaves nothing behind → its events are put into the outbox,
durably → they are streamed to the hub, which acknowledges what it has committed → the province gets its native reply. All of it is one
trace, which goes on in the hub.
"""
