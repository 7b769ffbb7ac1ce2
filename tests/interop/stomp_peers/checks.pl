# Perl's Net::Stomp against a broker: each check is a function; a failure ends the process with 1.
# Usage: perl checks.pl HOST PORT.
use strict;
use warnings;
use utf8;
use Encode qw(encode);
use Net::Stomp;

my ($host, $port) = @ARGV;
my $count = 0;
sub unique { my ($text) = @_; return ($text // 'p') . $$ . '-' . ++$count }

sub equal {
    my ($found, $wanted) = @_;
    die 'found ' . ($found // 'nothing') . ", wanted $wanted" unless defined $found && $found eq $wanted;
}

sub connected {
    my ($version, %headers) = @_;
    my $stomp = Net::Stomp->new({ hostname => $host, port => $port });
    $headers{'accept-version'} = $version if $version ne '1.0';
    my $frame = $stomp->connect({ login => '', passcode => '', host => 'h', %headers });
    equal($frame->command, 'CONNECTED');
    equal($frame->headers->{version}, $version);
    return $stomp;
}

# The module has the ACK of 1.0; what later versions want beside it is the caller's to add.
sub answer {
    my ($stomp, $how, $found) = @_;
    my $ack = $found->headers->{ack};
    $stomp->$how({ frame => $found, subscription => $found->headers->{subscription},
                   defined $ack ? (id => $ack) : () });
}

sub message {
    my ($stomp) = @_;
    my $frame = $stomp->receive_frame({ timeout => 10 }) or die 'no frame';
    equal($frame->command, 'MESSAGE');
    return $frame;
}

my %checks = (
    both_ways => sub {
        my ($version) = @_;
        my $stomp = connected($version);
        my $topic = unique();
        $stomp->subscribe({ destination => $topic, id => 's', ack => 'auto' });
        my $body = encode('UTF-8', "grüße\0\n");
        $stomp->send({ destination => $topic, body => $body, color => 'red', bytes_message => 1 });
        my $found = message($stomp);
        equal($found->body, $body);
        equal($found->headers->{destination}, $topic);
        equal($found->headers->{subscription}, 's');
        equal($found->headers->{color}, 'red');
        $stomp->unsubscribe({ destination => $topic, id => 's' });
        $stomp->disconnect;
    },
    receipts => sub {
        my ($version) = @_;
        my $stomp = connected($version);
        die 'no receipt' unless $stomp->send_with_receipt(
            { destination => unique(), body => 'x', timeout => 10 });
        die 'no receipt' unless $stomp->send_transactional(
            { destination => unique(), body => 'x', timeout => 10 });
        $stomp->disconnect;
    },
    acknowledgements => sub {
        my ($version) = @_;
        my $stomp = connected($version);
        my $topic = unique();
        $stomp->subscribe({ destination => $topic, id => 's', ack => 'client' });
        $stomp->send({ destination => $topic, body => "$_" }) for 1 .. 3;
        for my $number (1 .. 3) {
            my $found = message($stomp);
            equal($found->body, $number);
            answer($stomp, 'ack', $found);
        }
        if ($version ne '1.0') {
            $stomp->send({ destination => $topic, body => 'again' });
            answer($stomp, 'nack', message($stomp));
            my $again = message($stomp);
            equal($again->headers->{redelivered}, 'true');
            answer($stomp, 'ack', $again);
        }
        die 'one too many' if $stomp->can_read({ timeout => 0.2 });
        $stomp->disconnect;
    },
    transactions => sub {
        my ($version) = @_;
        my $stomp = connected($version);
        my $topic = unique();
        $stomp->subscribe({ destination => $topic, id => 's' });
        for my $end ('ABORT', 'COMMIT') {
            $stomp->send_frame(Net::Stomp::Frame->new(
                { command => 'BEGIN', headers => { transaction => 't' } }));
            $stomp->send({ destination => $topic, body => $end, transaction => 't' });
            $stomp->send_frame(Net::Stomp::Frame->new(
                { command => $end, headers => { transaction => 't' } }));
        }
        equal(message($stomp)->body, 'COMMIT');
        $stomp->disconnect;
    },
);

my $failed = 0;
for my $name (sort keys %checks) {
    for my $version ('1.0', '1.1', '1.2') {
        my $done = eval {
            local $SIG{ALRM} = sub { die "took too long\n" };
            alarm 20;
            $checks{$name}->($version);
            1;
        };
        my $error = $@;
        alarm 0;
        print $done ? "ok $name $version\n" : "failed $name $version: $error\n";
        $failed = 1 unless $done;
    }
}
exit $failed;
