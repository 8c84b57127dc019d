"""A class `Bell` with the methods `ring` and `stop`, or what comes nearest to it, in every language we split."""

from __future__ import annotations

SOURCES: dict[str, str] = {
    "python": '''
import time

class Bell:
    def ring(self, times):
        """Ring the bell."""
        for count in range(times):
            print("ding", count)

    @property
    def stop(self):
        time.sleep(1)
        print("silence at last")
        return self.silence()
''',
    "javascript": """
import { sleep } from "time";

export class Bell {
  ring(times) {
    for (let count = 0; count < times; count++) {
      console.log("ding", count);
    }
  }

  // Ends the noise.
  async stop() {
    await sleep(1);
    console.log("silence at last");
  }
}
""",
    "typescript": """
import { sleep } from "time";

export abstract class Bell {
  ring(times: number): void {
    for (let count = 0; count < times; count++) {
      console.log("ding", count);
    }
  }

  async stop(): Promise<void> {
    await sleep(1);
    console.log("silence at last");
  }
}
""",
    "tsx": """
import { Ding } from "./ding";

export class Bell extends Component<Props> {
  ring(times: number): JSX.Element {
    const all = Array(times).fill(<Ding loud />);
    return <ul className="bell">{all}</ul>;
  }

  stop(): JSX.Element {
    return <p className="silence">silence at last, and it stays</p>;
  }
}
""",
    "java": """
package org.example;

public class Bell {
    void ring(int times) {
        for (int count = 0; count < times; count++) {
            System.out.println("ding " + count);
        }
    }

    /** Ends the noise. */
    @Override
    void stop() throws InterruptedException {
        Thread.sleep(1000);
        System.out.println("silence at last");
    }
}
""",
    "go": """
package bell

import "fmt"

func (b *Bell) ring(times int) {
	for count := 0; count < times; count++ {
		fmt.Println("ding", count, b.loud)
	}
}

// stop ends the noise.
func (b *Bell) stop() {
	time.Sleep(time.Second)
	fmt.Println("silence at last, and it stays")
}
""",
    "rust": """
use std::time;

impl Bell {
    fn ring(&self, times: u32) {
        for count in 0..times {
            println!("ding {count}, {count}");
        }
    }

    #[inline]
    fn stop(&self) {
        sleep(time::Duration::from_secs(1));
        println!("silence at last");
    }
}
""",
    "c": """
#include <stdio.h>

static int *ring(int times)
{
    for (int count = 0; count < times; count++)
        printf("ding %d of %d", count, times);
    return 0;
}

int stop(void)
{
    sleep(1);
    puts("silence at last, and it stays for the night");
    return 0;
}
""",
    "cpp": """
#include <iostream>

class Bell {
public:
    void ring(int times) {
        for (int count = 0; count < times; count++)
            std::cout << "ding " << count << std::endl;
    }

    int stop() {
        sleep(1);
        std::cout << "silence at last" << std::endl;
        return 0;
    }
};
""",
    "ruby": """
require "time"

class Bell < Thing
  def ring(times)
    times.times do |count|
      puts "ding #{count} of #{times}, loud"
    end
  end

  # Ends the noise.
  def stop
    sleep 1
    puts "silence at last, and it stays"
  end
end
""",
    "php": """<?php
namespace Office;

class Bell {
    public function ring(int $times): void {
        for ($count = 0; $count < $times; $count++) {
            echo "ding $count of $times";
        }
    }

    public function stop(): void {
        sleep(1);
        echo "silence at last, and it stays";
    }
}
""",
    "csharp": """
using System;

public class Bell {
    public void ring(int times) {
        for (var count = 0; count < times; count++) {
            Console.WriteLine($"ding {count}");
        }
    }

    public async Task stop() {
        await Task.Delay(1000);
        Console.WriteLine("silence at last");
    }
}
""",
    "kotlin": """
package org.example

class Bell(val loud: Boolean) {
    fun ring(times: Int) {
        for (count in 0 until times) {
            println("ding $count of $times")
        }
    }

    fun stop(): Int {
        Thread.sleep(1000)
        println("silence at last, and it stays")
        return 0
    }
}
""",
    "sql": """
CREATE TABLE ring (
    id integer PRIMARY KEY,
    ding integer NOT NULL,
    at timestamp DEFAULT now()
);

CREATE VIEW stop AS
    SELECT id, at FROM ring
    WHERE silence AND at > now()
    ORDER BY at DESC;
""",
    "shell": """#!/bin/sh
set -e

ring() {
  for count in $(seq "$1"); do
    echo "ding $count of $1, loud and clear, every time"
  done
}

# Ends the noise.
stop() {
  sleep 1
  echo "silence at last, and it stays for the night"
}
""",
}
PATHS = dict.fromkeys(SOURCES, ("Bell.ring", "Bell.stop"))
PATHS |= dict.fromkeys(("c", "sql", "shell"), ("ring", "stop"))
