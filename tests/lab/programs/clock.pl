# Perl's clocks and ways of waiting, as in clock.py.
use strict;
use warnings;
use Time::HiRes ();
use Time::Local ();

$| = 1;

sub tell_all {
  my ($s, $us) = Time::HiRes::gettimeofday();
  return join " ",
    "time 1000000000 " . time() . "000000000",
    "gettimeofday 1000 " . ($s * 1000000 + $us) . "000",
    "hires 1000 " . int(Time::HiRes::time() * 1e6) . "000",
    "localtime 1000000000 " . Time::Local::timelocal(localtime()) . "000000000";
}

my %ways = (
  "sleep" => sub { Time::HiRes::sleep($_[0]) },
  "select" => sub { select(undef, undef, undef, $_[0]) },
  "alarm" => sub {
    local $SIG{ALRM} = sub { die "alarm\n" };
    eval { Time::HiRes::alarm($_[0]); Time::HiRes::sleep(1000) };
    die "no alarm: $@" unless $@ eq "alarm\n";
  },
);

while (my $line = <STDIN>) {
  my ($verb, $way, $seconds) = split " ", $line;
  if ($verb eq "now") {
    print tell_all(), "\n";
  } else {
    print "begun\n";
    $ways{$way}->($seconds);
    print "ended\n";
  }
}
